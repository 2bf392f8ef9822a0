"""``gloze convert`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from gloze.verbs.convert import ConvertResult


def convert(
    model: str,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    to: Literal["huggingface", "google", "sentence-transformers"] = "huggingface",
    pool: Literal["mean", "cls", "max"] | None = None,
    normalize: Annotated[bool | None, Parameter(negative="--no-normalize")] = None,
    cased: Annotated[bool | None, Parameter(negative="--uncased")] = None,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> ConvertResult:
    """Write a model in the layout that other software reads.

    Example: gloze convert uncased_L-4_H-256_A-4 -o bert-mini

    Args:
        model: a model or run folder, ours, of Hugging Face, sentence-transformers or Google, or a
            hub name.
        output: the folder to write.
        to: huggingface for transformers; google for google-research/bert and what reads its
            checkpoints; sentence-transformers: the encoder with its pooling.
        pool: for sentence-transformers; as the model says, else mean.
        normalize: vectors to a length of 1, for sentence-transformers; as the model says, else
            not.
        cased: whether a vocab.txt keeps capitals, where nothing beside it says so.
        force: replace a model that gloze wrote in the folder.
    """
    from gloze.verbs.convert import convert as run

    return run(
        model, output=output, to=to, pool=pool, normalize=normalize, cased=cased, force=force
    )
