"""A tiny pre-trained-like model and labelled files that can be learned in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gloze.checkpoint import save_model
from gloze.objectives.mlm import MaskedLMConfig
from gloze.objectives.nsp import NextSentenceConfig
from gloze.training.learner import Learner
from tests import small

# Over in a second: 2 epochs of 8 sequences at a high rate.
FAST = (
    "training.epochs=2",
    "training.batch_size=8",
    "training.learning_rate=3e-3",
    "training.log_every=2",
    "training.evaluations=1",
    "training.precision=float32",
    "training.device=cpu",
    "task.max_length=32",
)
TEXTS = {"animal": ["the cat", "a small dog"], "person": ["my sister", "our teacher"]}


def model_folder(path: Path) -> Path:
    """Write the folder of a BERT of 2 layers of 32 with random weights."""
    torch.manual_seed(5)
    tokenizer = small.tokenizer(143)
    encoder = small.recipe().encoder.build(tokenizer.vocab_size)
    objectives = [
        MaskedLMConfig().build(encoder, tokenizer),
        NextSentenceConfig().build(encoder, tokenizer),
    ]
    save_model(path, Learner(encoder, objectives), tokenizer, card="# test\n")
    return path


def rows(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return texts whose subject tells the label."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(list(TEXTS), count)
    return [
        (
            f"{draw.choice(TEXTS[label])} {draw.choice(small.VERBS)} {draw.choice(small.OBJECTS)}.",
            label,
        )
        for label in labels
    ]


def write_tsv(path: Path, count: int, seed: int = 0) -> Path:
    """Write labelled rows as TSV."""
    lines = [f"{text}\t{label}\n" for text, label in rows(count, seed)]
    path.write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")
    return path
