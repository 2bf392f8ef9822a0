"""Saving and loading, whole or not at all: training checkpoints and model folders."""

from gloze.checkpoint.find import config_of, find_any, find_model, is_static, models_of
from gloze.checkpoint.loaded import AnyParts, Parts
from gloze.checkpoint.model import (
    load,
    load_any_parts,
    load_parts,
    load_task,
    save_model,
    write_model,
)
from gloze.checkpoint.sources import weights_of
from gloze.checkpoint.start import for_task, start_from, with_tokenizer
from gloze.checkpoint.store import Checkpoints, load_tensors, save_tensors

__all__ = [
    "AnyParts",
    "Checkpoints",
    "Parts",
    "config_of",
    "find_any",
    "find_model",
    "for_task",
    "is_static",
    "load",
    "load_any_parts",
    "load_parts",
    "load_task",
    "load_tensors",
    "models_of",
    "save_model",
    "save_tensors",
    "start_from",
    "weights_of",
    "with_tokenizer",
    "write_model",
]
