"""The neural probabilistic language model."""

from __future__ import annotations

from gloze.config.run import ObjectivesConfig, RunConfig
from gloze.data.samplers import TextBlockConfig
from gloze.encoders.feed_forward import FeedForwardConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig


def nnlm() -> RunConfig:
    """Words predicted from the five before them (NNLM, Bengio et al. 2003).

    Sizes near the paper's; rate and dropout for a million words. Penn Treebank, whole vocabulary,
    on one thread in some twelve minutes: perplexity 136.8 on test (docs/word-vectors.md).
    """
    return RunConfig(
        name="nnlm",
        tokenizer=TokenizerConfig(kind="words", vocab_size=20_000),
        sampler=TextBlockConfig(max_length=128, short_rate=0.0, within="sentence"),
        encoder=FeedForwardConfig(hidden_dropout_prob=0.2),
        objectives=ObjectivesConfig(lm=LanguageModelConfig()),
        training=TrainingConfig(
            epochs=5,
            batch_tokens=1024,
            learning_rate=1e-2,
            warmup_rate=0.02,
        ),
    )
