"""The words nearest to others, as they are asked for and shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gloze.vectors.table import WordVectors


def shown(word: str) -> str:
    """Return a word as a terminal may show it: what would steer it is written out."""
    return word if word.isprintable() else repr(word)[1:-1]


@dataclass(frozen=True)
class NearestWords:
    """The words nearest to each query.

    Attributes:
        queries: for each, the words and their scores, best first.
        method: what the scores are: ``cosine``, or ``mul``, quotients of 3CosMul.
    """

    queries: dict[str, list[tuple[str, float]]]
    method: str = "cosine"

    def __str__(self) -> str:
        lines = []
        for query, found in self.queries.items():
            lines.append(query)
            lines += [f"  {score:.4f}  {shown(word)}" for word, score in found]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return asdict(self)


def nearest_words(
    table: WordVectors,
    words: Sequence[str],
    top: int,
    limit: int | None = None,
    *,
    refused: Mapping[str, object] | None = None,
) -> NearestWords:
    """Find the nearest words of each word.

    Args:
        table: of vectors.
        words: to look for.
        top: how many of each.
        limit: look among so many words of the beginning alone.
        refused: options by name that only an encoder that reads contexts can use.

    Raises:
        ConfigError: if a word has no vector, nothing is asked, or one of ``refused`` is given.
    """
    marked = next((word for word in words if "[[" in word), None)
    given = next((name for name, value in (refused or {}).items() if value), None)
    if given is not None or marked is not None:
        raise ConfigError(
            f"{given or repr(marked)} is about words in their contexts, and word vectors say the "
            "same of a word wherever it stands: give words alone, or another model."
        )
    if not words:
        raise ConfigError("Nothing is asked: give one word or more.")
    return NearestWords({word: table.most_similar(word, (), top, limit) for word in words})
