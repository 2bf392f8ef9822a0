"""``gloze fill``: a pre-trained model guesses the blanks of a text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import load
from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.inference.model import Filling


@dataclass(frozen=True)
class FillResult:
    """The guesses for each [MASK] of a text.

    Attributes:
        text: as it was given.
        blanks: for each [MASK] in order, the guesses, best first.
    """

    text: str
    blanks: tuple[tuple[Filling, ...], ...]

    def __str__(self) -> str:
        lines = [self.text]
        for number, guesses in enumerate(self.blanks, 1):
            lines.append(f"[MASK] {number}")
            lines += [f"  {guess.probability:7.2%}  {guess.token}" for guess in guesses]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {"text": self.text, "blanks": [[asdict(g) for g in b] for b in self.blanks]}


def fill(model: str | Path, text: str, *, top: int = 5) -> FillResult:
    """Guess what stands at each [MASK] of a text.

    Example: ``gloze.fill("runs/mini", "the capital of France is [MASK].")``

    Args:
        model: a model or run folder, ours or in Hugging Face layout, or a hub name.
        text: with [MASK] where a word is to be guessed.
        top: how many guesses for each.

    Raises:
        ConfigError: if there is no such model, or it has no masked-LM head.
        DataError: if the text has no [MASK] or is too long, or a file of the model is broken.
    """
    if top < 1:
        raise ConfigError(f"--top {top}: at least one guess is needed.")
    blanks = load(model).fill(text, top=top)
    return FillResult(text, tuple(tuple(guesses) for guesses in blanks))
