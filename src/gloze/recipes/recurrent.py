"""Language models of LSTMs."""

from __future__ import annotations

from gloze.config.run import ObjectivesConfig, RunConfig
from gloze.data.text_stream import StreamConfig
from gloze.encoders.lstm import LSTMConfig
from gloze.objectives.lm import LanguageModelConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig


def lstm_lm() -> RunConfig:
    """Two layers of 650 cells, from left to right (Zaremba et al. 2015, 4.1, the medium one).

    Published for the Penn Treebank: perplexity 82.7 on test after 39 epochs.
    """
    return RunConfig(
        name="lstm-lm",
        tokenizer=TokenizerConfig(kind="words", vocab_size=20_000),
        sampler=StreamConfig(max_length=35, order="consecutive"),
        encoder=LSTMConfig(
            embedding_size=650,
            hidden_size=650,
            input_dropout_prob=0.5,
            hidden_dropout_prob=0.5,
            output_dropout_prob=0.5,
            initializer_range=0.05,
        ),
        objectives=ObjectivesConfig(lm=LanguageModelConfig()),
        training=TrainingConfig(
            epochs=39, batch_size=20, learning_rate=2e-3, warmup_rate=0.01, weight_decay=0.0
        ),
    )
