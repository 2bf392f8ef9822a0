"""Saving and loading, whole or not at all: training checkpoints and model folders."""

from gloze.checkpoint.find import config_of, find_model, models_of
from gloze.checkpoint.model import (
    Parts,
    load,
    load_head,
    load_parts,
    load_task,
    load_trained,
    save_model,
    write_model,
)
from gloze.checkpoint.own import VECTORS, OwnModel
from gloze.checkpoint.sources import weights_of
from gloze.checkpoint.start import start_from, with_dropout, with_tokenizer
from gloze.checkpoint.store import Checkpoints, load_tensors, save_tensors
from gloze.checkpoint.token_vectors import save_token_vectors

__all__ = [
    "VECTORS",
    "Checkpoints",
    "OwnModel",
    "Parts",
    "config_of",
    "find_model",
    "load",
    "load_head",
    "load_parts",
    "load_task",
    "load_tensors",
    "load_trained",
    "models_of",
    "save_model",
    "save_tensors",
    "save_token_vectors",
    "start_from",
    "weights_of",
    "with_dropout",
    "with_tokenizer",
    "write_model",
]
