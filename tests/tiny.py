"""A tiny encoder with the head of any task, of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gloze.encoders.transformer import TransformerConfig, TransformerEncoder
from gloze.nn.readout import ReadoutConfig
from gloze.tasks.learned import Learned
from gloze.tasks.model import TaskModel, build_head
from gloze.tasks.task import Task
from tests import small


def encoder(*, type_vocab_size: int = 2) -> TransformerEncoder:
    """Return a Transformer of 2 layers of 32 for 32 positions."""
    torch.manual_seed(0)
    return TransformerConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        type_vocab_size=type_vocab_size,
    ).build(small.tokenizer(143).vocab_size)


def task_model(task: Task[Any], learned: Learned | None = None) -> TaskModel:
    """Return the encoder with the task's head."""
    learned = learned or Learned()
    own = task.resolve(is_plain=True)
    found = encoder()
    head = build_head(found, own, learned, ReadoutConfig()).head
    return TaskModel(found, head, small.tokenizer(143), own, learned, ReadoutConfig())


def write(path: Path, content: str) -> Path:
    """Write a file and return its path."""
    path.write_text(content, encoding="utf-8", newline="")
    return path
