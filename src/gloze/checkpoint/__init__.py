"""Saving and loading, whole or not at all: training checkpoints and model folders."""

from gloze.checkpoint.find import config_of, find_model, models_of
from gloze.checkpoint.model import (
    Parts,
    load,
    load_parts,
    load_task,
    save_model,
    write_model,
)
from gloze.checkpoint.sources import weights_of
from gloze.checkpoint.start import start_from, with_dropout, with_tokenizer
from gloze.checkpoint.store import Checkpoints, load_tensors, save_tensors

__all__ = [
    "Checkpoints",
    "Parts",
    "config_of",
    "find_model",
    "load",
    "load_parts",
    "load_task",
    "load_tensors",
    "models_of",
    "save_model",
    "save_tensors",
    "start_from",
    "weights_of",
    "with_dropout",
    "with_tokenizer",
    "write_model",
]
