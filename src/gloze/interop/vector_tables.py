"""Tables of word vectors from the files of word2vec and GloVe, and into them."""

from __future__ import annotations

import gzip
import re
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from tokenizers.normalizers import BertNormalizer

from gloze.core.errors import ConfigError
from gloze.core.files import new_file
from gloze.core.progress import Progress
from gloze.interop.word_vectors import VectorFile
from gloze.tokenizers.config import TokenizerConfig
from gloze.vectors.folder import ARRAYS, VECTORS, is_vectors, load_vectors
from gloze.vectors.table import WordVectors
from gloze.vectors.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from gloze.tokenizers.config import Split

Form = Literal["text", "binary", "glove"]
_ROWS_AT_ONCE = 1 << 12
_CHINESE_WORD = re.compile(r"[\u4e00-\u9fff]{2,}")


def read_table(path: Path, told: Callable[[int], None] = lambda count: None) -> WordVectors:
    """Read word vectors: a folder of ours, or a file of word2vec or GloVe.

    How texts are cut is told by the words of a file: capitals and accents mean something if some
    word has one, and words of several Chinese characters are those of jieba.

    Args:
        path: of the folder or file.
        told: is called with the number of words read so far.

    Raises:
        DataError: if it is absent or broken, or a word is there twice; names the line.
    """
    if path.is_dir():
        return load_vectors(path)
    file = VectorFile(path)
    words: dict[str, int] = {}
    parts: list[np.ndarray] = []
    every = file.rows()
    while rows := list(islice(every, _ROWS_AT_ONCE)):
        for row in rows:
            if row.word in words:
                raise file.error(row.number, f"{row.word!r} again, after {words[row.word]:,}.")
            words[row.word] = row.number
        parts.append(file.vectors(rows))
        told(len(words))
    numbers = np.concatenate(parts) if parts else np.zeros((0, file.size), np.float32)
    return WordVectors(Words.of(words), numbers, cut=_cut(words))


def _cut(words: Iterable[str]) -> TokenizerConfig:
    """Return how texts are cut so that these words come of them."""
    split: Split = "punctuation"
    cased = accented = False
    plain = BertNormalizer(
        clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False
    )
    for word in words:
        cased = cased or word != word.lower()
        accented = accented or (not word.isascii() and plain.normalize_str(word) != word)
        if split != "jieba" and _CHINESE_WORD.fullmatch(word):
            split = "jieba"
    return TokenizerConfig(
        kind="words", cased=cased, keep_accents=accented and not cased, split=split
    )


def find_vectors(path: str | Path) -> Path | None:
    """Return the folder or file of word vectors that a path stands for; None if it is of none."""
    found = Path(path)
    if found.is_file():
        return found
    return next((x for x in (found, found / "model", found / VECTORS) if is_vectors(x)), None)


def vectors_file(path: str | Path) -> Path:
    """Return the file that tells word vectors from others: of a folder of ours that of its arrays.

    A path of none is returned as it is, for what reads it to refuse.
    """
    found = find_vectors(path) or Path(path)
    return found / ARRAYS if is_vectors(found) else found


def load_word_vectors(path: str | Path) -> WordVectors:
    """Load word vectors; those of a folder of ours are mapped, not read.

    Args:
        path: a folder of ours, a run folder that trained some, or a file of word2vec or GloVe.

    Raises:
        ConfigError: if there is none.
        DataError: if they are broken; names the line.
    """
    found = find_vectors(path)
    if found is None:
        missing = "" if Path(path).exists() else " (no such folder or file)"
        raise ConfigError(
            f"{path}{missing} holds no word vectors: give a folder of ours, a run that trained "
            "some, or a file of word2vec or GloVe."
        )
    with Progress("vectors") as progress:
        return read_table(found, lambda count: progress.show(f"{count:,} words"))


def write_table(vectors: WordVectors, path: Path, form: Form, *, force: bool = False) -> None:
    """Write word vectors for others, compressed if the name ends in .gz.

    Args:
        vectors: the table; of what is known besides, nothing is written.
        path: of the file.
        form: ``text`` and ``binary`` are word2vec's, which begin with how many words there are;
            ``glove`` is text without that.
        force: replace the file if it exists.

    Raises:
        ConfigError: if the file exists, or a word has a space or a line break in it.
        WriteError: if the disk is full or the place cannot be written to.
    """
    if path.suffix in (".bz2", ".xz", ".zst"):
        raise ConfigError(f"{path}: only .gz is written compressed.")
    for word in vectors.words:
        written = word.encode()
        if written != written.strip() or not word or b" " in written or b"\n" in written:
            raise ConfigError(
                f"{word!r} cannot be written: in these files a word ends at the first space, a row "
                "at a line break. Keep it in a folder of ours (--format gloze)."
            )
    with new_file(path, force=force) as temporary, temporary.open("wb") as plain:
        # Nothing of the time or the name goes into the file: the same vectors, the same bytes.
        file = gzip.GzipFile("", "wb", 6, plain, 0) if path.suffix == ".gz" else plain
        with closing(file):
            _write(vectors, file, form)  # type: ignore[arg-type]


def _write(vectors: WordVectors, file: BinaryIO, form: Form) -> None:
    if form != "glove":
        file.write(f"{len(vectors)} {vectors.size}\n".encode())
    words = iter(vectors.words)
    for own in vectors.blocks():
        rows = np.asarray(vectors.vectors[own], np.float32)
        for word, row in zip(islice(words, len(rows)), rows, strict=True):
            if form == "binary":
                file.write(word.encode() + b" " + row.astype("<f4").tobytes() + b"\n")
            else:
                file.write(f"{word} {' '.join(map(str, row))}\n".encode())
