"""``gloze fill`` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gloze.verbs.fill import FillResult


def fill(model: str, text: str, *, top: int = 5) -> FillResult:
    """Fill the blanks of a text.

    Example: gloze fill runs/mini "the capital of France is [MASK]."

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        text: with [MASK] where a word is to be guessed.
        top: how many guesses for each [MASK].
    """
    from gloze.verbs.fill import fill as run

    return run(model, text, top=top)
