"""The data sets of `benchmarks/meaning.py`: words in their contexts, as they are distributed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.word_senses import read_split
from gloze.core.errors import DataError
from gloze.tasks.lines import open_data, read_lines

_MARKED = re.compile(r"<b>(.*?)</b>")


@dataclass(frozen=True)
class Occurrence:
    """A word where it stands.

    Attributes:
        words: of the context; the marked one, which may be of several words, is one.
        place: of the marked one.
    """

    words: list[str]
    place: int


def cut(text: str, start: int, end: int) -> Occurrence:
    """Return the occurrence of ``text[start:end]``, the text around it cut at spaces."""
    before, word = text[:start].split(), text[start:end].strip()
    return Occurrence([*before, word, *text[end:].split()], len(before))


def find(folder: Path, name: str) -> Path:
    """Return the file of that name, compressed or not.

    Raises:
        DataError: if there is none.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError("no such file.", path=folder / name)


def read_scws(folder: Path) -> tuple[list[Occurrence], list[Occurrence], np.ndarray]:
    """Return both occurrences of each pair and the mean score people gave it, 0 to 10.

    Raises:
        DataError: if a line is none of the set's.
    """
    path = find(folder, "ratings.txt")
    sides: tuple[list[Occurrence], list[Occurrence]] = ([], [])
    scores = []
    for line, text in read_lines(path):
        cells = text.split("\t")
        marks = [_MARKED.search(cell) for cell in cells[5:7]]
        if len(cells) != 18 or None in marks:
            raise DataError(
                "18 columns are expected, the 6th and 7th with a word in <b> </b>.",
                path=path,
                line=line,
            )
        for side, cell, mark in zip(sides, cells[5:7], marks, strict=True):
            marked = cell[: mark.start()] + mark[1] + cell[mark.end() :]
            side.append(cut(marked, mark.start(), mark.start() + len(mark[1])))
        scores.append(float(cells[7]))
    return *sides, np.array(scores)


def read_wic(folder: Path, split: str) -> tuple[list[Occurrence], list[Occurrence], np.ndarray]:
    """Return both occurrences of each pair of MCL-WiC, and whether they mean the same.

    Raises:
        DataError: if an answer is missing.
    """
    pairs, golds = (_json(find(folder, f"{split}.en-en.{kind}")) for kind in ("data", "gold"))
    tags = {gold["id"]: gold["tag"] for gold in golds}
    if missing := [pair["id"] for pair in pairs if tags.get(pair["id"]) not in ("T", "F")]:
        raise DataError(f"no T or F for {missing[0]!r}.", path=find(folder, f"{split}.en-en.gold"))
    sides = tuple(
        [cut(pair[f"sentence{n}"], int(pair[f"start{n}"]), int(pair[f"end{n}"])) for pair in pairs]
        for n in (1, 2)
    )
    return *sides, np.array([tags[pair["id"]] == "T" for pair in pairs])


def read_senses(folder: Path, split: str) -> tuple[list[Occurrence], np.ndarray]:
    """Return the occurrences of a noun of CoarseWSD-20, and the number of each one's sense."""
    sentences, places, senses = read_split(folder, split)
    return [Occurrence(*each) for each in zip(sentences, places, strict=True)], senses


def _json(path: Path) -> list[dict[str, str]]:
    with open_data(path) as file:
        return json.loads(file.read().decode("utf-8"))
