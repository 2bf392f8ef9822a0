"""Text to words where writing does not part them: so that whole words can be masked.

Words are found when shards are made, and kept there as word starts. What a model reads stays the
tokenizer's tokens.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError, DataError, MissingExtraError
from gloze.core.manifest import sha256
from gloze.text.lines import Fault, read_lines

if TYPE_CHECKING:
    from gloze.tokenizers.tokenizer import Tokenizer

Cut = Callable[[str], Sequence[str]]
MAX_WORD_BYTES = 1 << 10
_FUNCTION = re.compile(r"[\w.]+:\w+")


@dataclass(frozen=True)
class Segmenter:
    """Finds where the words of a text begin.

    Attributes:
        identity: what decides the words, for people and for the index of shards.
        cut: returns the words of a text in their order; spaces between them may be left out.
    """

    identity: str
    cut: Cut

    @property
    def name(self) -> str:
        """The identity without the version of a library."""
        return self.identity.partition(" ")[0]

    @property
    def is_portable(self) -> bool:
        """Whether other processes can find the function by its name."""
        name = getattr(self.cut, "__qualname__", "")
        return "<" not in name

    def starts(self, text: str) -> list[int]:
        """Return where each word begins, in characters, ascending.

        Raises:
            DataError: if what is cut is not the text's words in their order.
        """
        try:
            words = list(self.cut(text))
        except Exception as error:
            reason = f"the segmenter {self.identity} fails on {_cited(text)}: {error}."
            raise DataError(reason) from error
        found, place = [], 0
        for word in words:
            if not (isinstance(word, str) and text.startswith(word, place)):
                place = _past_spaces(text, place)
            if not (isinstance(word, str) and text.startswith(word, place)):
                raise DataError(
                    f"the segmenter {self.identity} gives {word!r} where the text goes on with "
                    f"{_cited(text[place:])}.",
                    hint="It has to return the words of the text as they are, in their order.",
                )
            if word:
                found.append(place)
            place += len(word)
        if _past_spaces(text, place) < len(text):
            raise DataError(
                f"the segmenter {self.identity} leaves {_cited(text[place:])} out.",
                hint="It has to return all words of the text.",
            )
        return found

    def parted(self, text: str) -> str:
        """Return the text with a space before each word but the first."""
        begins = [*self.starts(text), len(text)]
        return " ".join([text[a:b] for a, b in pairwise(begins)])

    def encode(
        self, sentences: Sequence[str], tokenizer: Tokenizer
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return what the tokenizer's ``encode`` returns, and where words begin, [tokens].

        A word begins with the first token after its first character. A piece that a word goes on
        with, like ``##ing``, begins none, whatever this segmenter says.

        Raises:
            DataError: if a text cannot be encoded, or its words are not those of the text.
        """
        ids, lengths, offsets = tokenizer.encode_with_offsets(sentences)
        spans = np.split(offsets, np.cumsum(lengths)[:-1]) if len(lengths) else []
        begins = [self._meet(text, own) for text, own in zip(sentences, spans, strict=True)]
        met = np.concatenate([np.zeros(0, bool), *begins])
        return ids, lengths, met & tokenizer.may_begin_word(ids)

    def _meet(self, text: str, spans: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say of each token whether a word begins in it or in what was passed over before it.

        Args:
            text: that was cut into tokens.
            spans: first character of each token and the one after its last, [tokens, 2].
        """
        begins = self.starts(text)
        before = np.append(0, spans[:-1, 1])[: len(spans)]
        met = np.searchsorted(begins, spans[:, 0], "right") > np.searchsorted(begins, before)
        met[:1] = True
        return met


class LongestMatch:
    """Cuts a text from left to right at the longest listed word, or else at one character."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        lengths: dict[str, set[int]] = {}
        for word in self._words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {first: sorted(some, reverse=True) for first, some in lengths.items()}

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text."""
        words, place = [], 0
        while place < len(text):
            candidates = (text[place : place + n] for n in self._lengths.get(text[place], ()))
            word = next((word for word in candidates if word in self._words), text[place])
            words.append(word)
            place += len(word)
        return words


def load_segmenter(given: str | Path | Cut | Segmenter | None) -> Segmenter | None:
    """Return a segmenter by name, from a word list, or of any function.

    Args:
        given: ``jieba`` (the ``zh`` extra); ``spaces`` for text whose words are parted already; the
            path of a list with a word in each line (what follows a space there is passed over, as
            in dictionaries of jieba); ``module:function``; or a function from a text to its words.

    Raises:
        ConfigError: if there is no such segmenter.
        MissingExtraError: if jieba is not installed.
        DataError: if the word list cannot be used.
    """
    if given is None or isinstance(given, Segmenter):
        return given
    if not isinstance(given, str | Path):
        name = getattr(given, "__qualname__", type(given).__qualname__)
        return Segmenter(f"{getattr(given, '__module__', '')}:{name}", given)
    if str(given) == "jieba":
        return _jieba()
    if str(given) == "spaces":
        return Segmenter("spaces", str.split)
    if Path(given).is_file():
        path = Path(given)
        return Segmenter(f"words sha256:{sha256(path)}", LongestMatch(_listed(path)))
    if _FUNCTION.fullmatch(str(given)):
        return Segmenter(str(given), _imported(str(given)))
    raise ConfigError(
        f"Unknown segmenter {str(given)!r}: no file of that name. Give jieba, spaces, the path of "
        "a word list, or module:function."
    )


def _jieba() -> Segmenter:
    try:
        import rjieba
    except ImportError as error:
        raise MissingExtraError("rjieba", "zh", "--segmenter jieba") from error
    rjieba.cut("")  # its dictionary is read at the first call
    return Segmenter(f"jieba (rjieba {version('rjieba')})", _cut_by_jieba)


def _cut_by_jieba(text: str) -> list[str]:
    """Return jieba's words; a function, for what the package has does not travel to workers."""
    import rjieba

    words: list[str] = rjieba.cut(text)
    return words


def _listed(path: Path) -> list[str]:
    words = []
    with path.open("rb") as file:
        lines = chain.from_iterable(read_lines(file, max_bytes=MAX_WORD_BYTES))
        for number, line in enumerate(lines, start=1):
            if isinstance(line, Fault):
                raise DataError(f"{line.reason}.", path=path, line=number)
            if line.strip():
                words.append(line.split()[0])
    if not words:
        raise DataError("a word list without a word.", path=path)
    return words


def _imported(name: str) -> Cut:
    module, _, function = name.partition(":")
    # As python -m does: a module beside the user's own files.
    if "" not in sys.path and (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = getattr(import_module(module), function)
    except Exception as error:  # a module of the user's own may fail in any way
        raise ConfigError(f"--segmenter {name}: {type(error).__name__}: {error}.") from error
    if not callable(found):
        raise ConfigError(f"--segmenter {name}: {function} is no function.")
    return found


def _past_spaces(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _cited(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:20]}...")
