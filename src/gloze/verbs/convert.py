"""``gloze convert``: a model in the layout that other software reads."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from gloze.checkpoint import find_model, load_parts, load_transformer, write_model
from gloze.core.errors import ConfigError, nearest
from gloze.core.files import new_folder
from gloze.core.manifest import write_manifest
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.interop.architectures import architecture_for, none_fits
from gloze.interop.google_bert import write_google
from gloze.interop.sentence_transformers import read_vectors, tuned_pooling, write_vectors
from gloze.nn.pooling import Pooling, TextVectors
from gloze.tokenizers import TOKENIZER_FILES, SpecialTokens

if TYPE_CHECKING:
    from collections.abc import Collection

    from torch import Tensor

    from gloze.checkpoint import Parts
    from gloze.interop.architectures import Architecture
    from gloze.tokenizers import Tokenizer

Layout = Literal["huggingface", "google", "sentence-transformers"]
_FILES = (
    *("config.json", "model.safetensors", "README.md", "manifest.json", "bert_config.json"),
    *TOKENIZER_FILES,
    *("bert_model.ckpt.*", "modules.json", "1_Pooling", "2_Normalize"),
    *("sentence_bert_config.json", "config_sentence_transformers.json"),
)
# Of a head: kept with it.
_OF_TASKS = (
    *("architectures", "id2label", "label2id", "problem_type", "classifier_dropout"),
    "gloze",
)
# What Google's code computes with, whatever its settings say.
_GOOGLE_EPS = 1e-12


@dataclass(frozen=True)
class ConvertResult:
    """What was written.

    Attributes:
        path: the folder.
        layout: of it.
        weights: how many were written, as the layout counts them.
        left_out: names of weights that the layout, or gloze, has no place for.
        notes: what to know when other software reads it.
    """

    path: Path
    layout: Layout
    weights: int
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.left_out[:5]) + (", ..." if len(self.left_out) > 5 else "")
        left = [f"Left out: {len(self.left_out)} weights ({names})."] if self.left_out else []
        return "\n".join(
            [*left, *self.notes, f"{self.weights} weights in the layout of {self.layout}: "
             f"{self.path}"]
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        lists = {"left_out": list(self.left_out), "notes": list(self.notes)}
        return {**asdict(self), "path": str(self.path), **lists}


def convert(
    model: str | Path,
    *,
    output: str | Path,
    to: Layout = "huggingface",
    pool: Pooling | None = None,
    normalize: bool | None = None,
    cased: bool | None = None,
    force: bool = False,
) -> ConvertResult:
    """Write a model in the layout that other software reads: the same weights, bit for bit.

    Args:
        model: a model or run folder, ours, of Hugging Face, sentence-transformers or Google, or a
            hub name.
        output: the folder to write.
        to: ``huggingface`` for transformers; ``google`` for google-research/bert and what reads
            its checkpoints; ``sentence-transformers``: the encoder with its pooling.
        pool: ``mean``, ``cls`` or ``max``, for sentence-transformers; as the model says, else
            ``mean``.
        normalize: vectors to a length of 1, for sentence-transformers; as the model says, else
            not.
        cased: whether a ``vocab.txt`` keeps capitals, where nothing beside it says so.
        force: replace a model that gloze wrote in ``output``.

    Raises:
        ConfigError: if there is no such model, or the layout cannot hold it.
        DataError: if a file of the model is broken.
        WriteError: if the disk is full or the place cannot be written to.
    """
    output = Path(output)
    _check_call(to, pool, normalize)
    refuse_existing(output, force=force, ours=_FILES)
    source = find_model(model)
    refuse_inputs(output, [source])
    # Of the others none knows a model that sees one side alone.
    read = load_transformer if to == "huggingface" else load_parts
    parts = read(source, cased=cased)
    heads = {name.split(".")[1] for name in parts.tensors if name.startswith("heads.")}
    kept = set() if to == "sentence-transformers" else heads
    tensors = {
        name: tensor.to(torch.float32)
        for name, tensor in parts.tensors.items()
        if name.startswith("encoder.") or name.split(".")[1] in kept
    }
    architecture = architecture_for(parts.encoder.config, tensors)
    if architecture is None:
        reason = none_fits(parts.encoder.config, tensors)
        raise ConfigError(f"{source}: transformers has no class that computes it: {reason}.")
    config = _config(parts, architecture, kept, tensors)
    theirs = architecture.to_theirs(tensors)
    card = f"# {Path(model).name}\n\nConverted by gloze {version('gloze')} from `{model}`.\n"
    with new_folder(output, force=force, ours=_FILES) as folder:
        if to == "google":
            notes = _write_google(folder, theirs, config, parts.tokenizer)
        else:
            write_model(folder, tensors, config, parts.tokenizer, card)
            notes = []
        if to == "sentence-transformers":
            vectors = _vectors(read_vectors(source), pool, normalize, parts)
            write_vectors(folder, vectors, parts.encoder.output_size)
            notes.append(f"Pooling {vectors.pooling}{', normalized' * vectors.normalize}.")
        elif pooling := tuned_pooling(source):
            notes.append(
                f"How its vectors of texts are made (pooling {pooling}) has no place in the layout "
                f"of {to}; sentence-transformers keeps it."
            )
        write_manifest(folder)
    left_out = (*parts.unknown, *sorted(set(parts.tensors) - set(tensors)))
    return ConvertResult(output, to, len(theirs), left_out, tuple(notes))


def _check_call(to: str, pool: str | None, normalize: bool | None) -> None:
    layouts = get_args(Layout)
    if to not in layouts:
        raise ConfigError(f"--to {to}: {nearest(to, layouts)}It is one of {', '.join(layouts)}.")
    if pool is not None and pool not in get_args(Pooling):
        raise ConfigError(f"--pool {pool}: it is one of {', '.join(get_args(Pooling))}.")
    if to != "sentence-transformers" and (pool, normalize) != (None, None):
        raise ConfigError(f"--pool and --normalize say nothing here: {to} has no place for them.")


def _config(
    parts: Parts, architecture: Architecture, heads: set[str], names: Collection[str]
) -> dict[str, Any]:
    """Return ``config.json`` for the encoder with these heads."""
    encoder, own = parts.encoder, parts.config
    config = architecture.to_config(encoder.config, encoder.vocab_size, parts.tokenizer, names)
    kept = _OF_TASKS if heads - {"mlm", "nsp", "lm"} else ()
    return {**config, **{name: own[name] for name in kept if name in own}}


def _write_google(
    folder: Path, tensors: dict[str, Tensor], config: dict[str, Any], tokenizer: Tokenizer
) -> list[str]:
    """Write Google's files; return what to know of them."""
    tokenizer.save(folder)
    if not (folder / "vocab.txt").is_file() or tokenizer.special_tokens != SpecialTokens():
        raise ConfigError(
            f"Google's code cuts text with BERT's WordPiece alone; this is a {tokenizer.kind} with "
            f"{' '.join(tokenizer.special_tokens.all)}."
        )
    write_google(folder, tensors, config)
    lower = str(not tokenizer.is_cased).lower()
    notes = [f"Google's scripts take it with --do_lower_case={lower}."]
    if config["layer_norm_eps"] != _GOOGLE_EPS:
        eps = config["layer_norm_eps"]
        notes.append(f"Google's code divides with {_GOOGLE_EPS} in its norms, this model {eps}.")
    if config["hidden_act"] == "gelu":
        notes.append("Google's later code approximates GELU by tanh; this model does not.")
    return notes


def _vectors(
    own: TextVectors | None, pool: Pooling | None, normalize: bool | None, parts: Parts
) -> TextVectors:
    vectors = own or TextVectors()
    return replace(
        vectors,
        pooling=pool or vectors.pooling,
        normalize=vectors.normalize if normalize is None else normalize,
        max_length=vectors.longest(parts.encoder.config.max_position_embeddings),
    )
