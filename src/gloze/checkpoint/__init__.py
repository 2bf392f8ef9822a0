"""Saving and loading, whole or not at all: training checkpoints and model folders."""

from gloze.checkpoint.find import config_of, find_any, find_model, is_static, models_of
from gloze.checkpoint.inference import load, load_language_model
from gloze.checkpoint.language_model import check_language_model, language_models
from gloze.checkpoint.loaded import AnyParts, Parts
from gloze.checkpoint.model import (
    load_any_parts,
    load_parts,
    load_task,
    load_trained,
    load_transformer,
    model_config,
    save_model,
    write_model,
)
from gloze.checkpoint.own import OwnModel, language_model_of
from gloze.checkpoint.sources import weights_of
from gloze.checkpoint.start import for_sequences, for_task, start_from, with_tokenizer
from gloze.checkpoint.store import Checkpoints, load_tensors, save_tensors
from gloze.checkpoint.token_vectors import save_token_vectors

__all__ = [
    "AnyParts",
    "Checkpoints",
    "OwnModel",
    "Parts",
    "check_language_model",
    "config_of",
    "find_any",
    "find_model",
    "for_sequences",
    "for_task",
    "is_static",
    "language_model_of",
    "language_models",
    "load",
    "load_any_parts",
    "load_language_model",
    "load_parts",
    "load_task",
    "load_tensors",
    "load_trained",
    "load_transformer",
    "model_config",
    "models_of",
    "save_model",
    "save_tensors",
    "save_token_vectors",
    "start_from",
    "weights_of",
    "with_tokenizer",
    "write_model",
]
