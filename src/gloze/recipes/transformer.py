"""BERT and Google's published small sizes of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from gloze.config.run import ObjectivesConfig, RunConfig
from gloze.data.samplers import SegmentPairConfig
from gloze.encoders.transformer import TransformerConfig
from gloze.interop.google_bert import size_name
from gloze.objectives.mlm import MaskedLMConfig
from gloze.objectives.nsp import NextSentenceConfig
from gloze.recipes.changes import two_phases
from gloze.tokenizers import TokenizerConfig
from gloze.training.config import TrainingConfig


def bert(
    name: str, layers: int, hidden: int, training: TrainingConfig, **encoder: Any
) -> RunConfig:
    """BERT of any size: heads of 64 numbers, feed-forward four times the hidden size."""
    return RunConfig(
        name=name,
        tokenizer=TokenizerConfig(vocab_size=30522),
        sampler=SegmentPairConfig(max_length=128),
        encoder=TransformerConfig(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
            **encoder,
        ),
        objectives=ObjectivesConfig(mlm=MaskedLMConfig(), nsp=NextSentenceConfig()),
        training=training,
    )


# By hidden size at 4 layers; three of them are measured, 768 follows from the width.
_RATES = {128: 7.5e-4, 256: 7e-4, 512: 4e-4, 768: 2.7e-4}


def small(name: str, layers: int, hidden: int) -> RunConfig:
    """A published small size, set for one machine, hours and megabytes: it must not get stuck.

    From the published start, attention finds no use for positions within such a budget, and the
    masked LM stays near the loss that word frequencies alone give (docs/results.md). So heads
    start local, half of them matching where there are enough; steps are many and small, and the
    deeper the net, the lower the rate it bears: three quarters of it at twice the layers, from
    the measured ones of ``bert-tiny`` to ``bert-medium``.
    """
    rate = _RATES[hidden] * 0.75 ** math.log2(layers / 4)
    training = TrainingConfig(
        tokens=100_000_000,
        batch_tokens=2048,
        learning_rate=float(f"{rate:.2g}"),
        warmup_rate=0.05,
        adam_beta2=0.98,
    )
    start = "matching" if hidden >= 256 else "local"
    return bert(name, layers, hidden, training, initialization=start)


def bert_tiny() -> RunConfig:
    """2 layers of 128 (Turc et al. 2019): for tests, teaching and very small corpora."""
    return small("bert-tiny", 2, 128)


def bert_mini() -> RunConfig:
    """4 layers of 256 (Turc et al. 2019): an evening on one CPU."""
    return small("bert-mini", 4, 256)


def bert_small() -> RunConfig:
    """4 layers of 512 (Turc et al. 2019)."""
    return small("bert-small", 4, 512)


def bert_medium() -> RunConfig:
    """8 layers of 512 (Turc et al. 2019)."""
    return small("bert-medium", 8, 512)


def _published() -> TrainingConfig:
    """The paper's numbers (Devlin et al. 2019, A.2): 256 sequences, a million steps."""
    return TrainingConfig(
        steps=1_000_000, batch_size=256, learning_rate=1e-4, warmup_rate=0.01, save_minutes=30
    )


def bert_base() -> RunConfig:
    """12 layers of 768, 110 M parameters (Devlin et al. 2019, 3)."""
    return bert("bert-base", 12, 768, _published())


def bert_large() -> RunConfig:
    """24 layers of 1024, 340 M parameters (Devlin et al. 2019, 3)."""
    return bert("bert-large", 24, 1024, _published())


def bert_large_lamb() -> RunConfig:
    """BERT-large in 15,625 steps of 32,768 sequences by LAMB (You et al. 2020, tables 1 and 4).

    There, of SQuAD 1.1 dev, F1 91.475 after these steps, in place of 90.395 after a million of
    512 sequences by Adam with decay; on a pod of TPUs. Lengths are 128 for nine tenths, then 512.
    """
    training = TrainingConfig(
        steps=15_625,
        batch_size=32_768,
        optimizer="lamb",
        learning_rate=5e-3,
        warmup_rate=0.2,
        save_minutes=30,
    )
    return two_phases(bert("bert-large-lamb", 24, 1024, training))


def google_size(layers: int, hidden: int) -> RunConfig:
    """Return one of the 24 small sizes (Turc et al. 2019), under Google's name.

    ``bert-tiny`` to ``bert-base`` are among them, as the same recipes under other names.
    """
    name = size_name(layers, hidden)
    if (layers, hidden) == (12, 768):
        return replace(bert_base(), name=name)
    return small(name, layers, hidden)
