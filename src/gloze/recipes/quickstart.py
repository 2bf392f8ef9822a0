"""The settings of the quickstart: a BERT that learns something in minutes, on one thread."""

from __future__ import annotations

from dataclasses import replace

from gloze.config.finetuning import FinetuneConfig
from gloze.config.run import RunConfig
from gloze.encoders.transformer import TransformerConfig
from gloze.objectives.mlm import MaskedLMConfig
from gloze.recipes.transformer import bert_tiny
from gloze.tasks.classification import Classification
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig
from gloze.training.transfer import Transfer

VOCAB_SIZE = 4000


def pretraining() -> RunConfig:
    """bert-tiny with a small vocabulary, short sequences and many small steps.

    Twice the usual rate, so that some thousands of steps suffice. Few tokens are worth asking
    more of: 30% are masked rather than 15%. Dropout has nothing to do in so few epochs.
    """
    base = bert_tiny()
    assert isinstance(base.encoder, TransformerConfig)
    encoder = replace(
        base.encoder,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return replace(
        base,
        name="quickstart",
        tokenizer=TokenizerConfig(vocab_size=VOCAB_SIZE),
        sampler=replace(base.sampler, max_length=64),
        encoder=encoder,
        objectives=replace(base.objectives, mlm=MaskedLMConfig(rate=0.3)),
        training=TrainingConfig(
            tokens=4_000_000,
            batch_tokens=1024,
            micro_batch_tokens=2048,
            learning_rate=2e-3,
            warmup_rate=0.05,
            adam_beta2=0.98,
            evaluations=8,
            save_minutes=0.0,
        ),
    )


def classification(transfer: Transfer) -> FinetuneConfig:
    """Return the fine-tuning; the control differs in its weights alone.

    The rate was chosen by the accuracy on dev, among 5e-4, 1e-3 and 2e-3.
    """
    return FinetuneConfig(
        transfer=transfer,
        task=Classification(max_length=96, pooling="mean"),
        training=TrainingConfig(
            epochs=8,
            batch_size=32,
            learning_rate=1e-3,
            warmup_rate=0.1,
            evaluations=3,
            save_minutes=0.0,
        ),
    )
