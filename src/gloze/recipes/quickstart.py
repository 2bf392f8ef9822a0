"""The settings of the quickstart: a BERT that learns something in minutes, on one thread."""

from __future__ import annotations

from dataclasses import replace

from gloze.config.run import RunConfig
from gloze.recipes.finetuning import FinetuneConfig
from gloze.recipes.transformer import bert_tiny
from gloze.tasks.classification import ClassificationConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig
from gloze.training.transfer import Transfer

VOCAB_SIZE = 4000
MAX_LENGTH = 64


def pretraining() -> RunConfig:
    """bert-tiny with a small vocabulary, short sequences and many small steps.

    The trap of a short training is a masked LM that only learns how frequent each token is.
    Leaving that plateau takes a number of steps, hardly a number of tokens: so the steps are
    small, the rate is high, and there is no dropout, which few epochs do not need.
    """
    base = bert_tiny()
    return replace(
        base,
        name="quickstart",
        tokenizer=TokenizerConfig(vocab_size=VOCAB_SIZE),
        sampler=replace(base.sampler, max_length=MAX_LENGTH),
        encoder=replace(base.encoder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        training=TrainingConfig(
            tokens=4_000_000,
            batch_tokens=2048,
            micro_batch_tokens=2048,
            learning_rate=2e-3,
            warmup_rate=0.06,
            evaluations=8,
            save_minutes=0.0,
        ),
    )


def classification(transfer: Transfer) -> FinetuneConfig:
    """Return the fine-tuning; the control differs in its weights alone."""
    return FinetuneConfig(
        transfer=transfer,
        task=ClassificationConfig(max_length=MAX_LENGTH),
        training=TrainingConfig(
            epochs=4,
            batch_size=32,
            learning_rate=5e-4,
            warmup_rate=0.1,
            evaluations=4,
            save_minutes=0.0,
        ),
    )
