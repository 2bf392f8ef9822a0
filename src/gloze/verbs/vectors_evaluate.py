"""``gloze vectors evaluate``: word vectors judged on sets of pairs, analogies and outliers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError, DataError
from gloze.core.lists import as_list
from gloze.core.progress import Progress
from gloze.interop.vector_tables import load_word_vectors
from gloze.metrics.table import text_table
from gloze.vectors.analogies import SectionFigures, judge_analogies, read_analogies
from gloze.vectors.lines import lines_of
from gloze.vectors.outliers import judge_outliers, read_outliers
from gloze.vectors.word_pairs import judge_pairs, parted, read_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gloze.vectors.analogies import Method
    from gloze.vectors.table import WordVectors

# Sections of the first English set that are of grammar (Mikolov et al. 2013).
_GRAMMAR = "gram"


@dataclass(frozen=True)
class Judged:
    """One figure of one set.

    Attributes:
        set: name of the file.
        figure: ``spearman``, ``accuracy`` of analogies or of outliers, or ``position`` of these.
        value: the figure, None if nothing of the set is known.
        known: how many pairs, questions or outliers have vectors for all their words.
        asked: how many there are.
    """

    set: str
    figure: str
    value: float | None
    known: int
    asked: int


@dataclass(frozen=True)
class VectorFigures:
    """Figures of all sets for each table of vectors.

    Attributes:
        figures: by what was given, all in one order.
        sections: of analogies, by what was given and by file.
    """

    figures: dict[str, list[Judged]]
    sections: dict[str, dict[str, dict[str, SectionFigures]]]

    def __str__(self) -> str:
        named = len(self.figures) > 1
        header = ["set", "figure"]
        for name in _short(list(self.figures)):
            header += [name if named else "value", "known"]
        rows = []
        for own in zip(*self.figures.values(), strict=True):
            cells = []
            for judged in own:
                shown = "-" if judged.value is None else f"{100 * judged.value:.2f}"
                cells += [shown, f"{judged.known:,} of {judged.asked:,}"]
            rows.append([own[0].set, own[0].figure, *cells])
        return (
            f"{text_table(header, rows)}\n  Figures are times 100, and of what is known: all of "
            "whose words have vectors."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {
            name: {
                "figures": [vars(judged) for judged in found],
                "sections": {
                    file: {section: figures.to_dict() for section, figures in own.items()}
                    for file, own in self.sections[name].items()
                },
            }
            for name, found in self.figures.items()
        }


def evaluate_vectors(
    vectors: str | Path | Sequence[str | Path],
    data: str | Path | Sequence[str | Path],
    *,
    method: Method = "add",
    limit: int | None = 300_000,
) -> VectorFigures:
    """Judge word vectors on sets of word pairs, of analogies and of outliers.

    What a file is, is told by its content. Capitals do not matter where a word is not known as
    it is written.

    Example: ``gloze.evaluate_vectors("glove.txt", ["word-similarity/", "questions-words.txt"])``

    Args:
        vectors: folders of ours, runs, or files of word2vec or GloVe.
        data: files or folders of sets: pairs of words with a score, analogies in sections, or
            groups of words with their outliers.
        method: of analogies, ``add`` is 3CosAdd, ``mul`` 3CosMul.
        limit: answers of analogies are looked for among so many words of the beginning.

    Raises:
        ConfigError: if there is nothing to judge by.
        DataError: if vectors or sets cannot be read; names the line.
    """
    given: list[str | Path] = as_list(vectors)
    named: list[str | Path] = as_list(data)
    if limit is not None and limit < 1:
        raise ConfigError(f"The limit is {limit}: answers are looked for among one word or more.")
    if not given:
        raise ConfigError("Nothing to judge: give word vectors before --data.")
    sets = [(path, _kind(path)) for path in _files(named)]
    figures: dict[str, list[Judged]] = {}
    sections: dict[str, dict[str, dict[str, SectionFigures]]] = {}
    with Progress("evaluate") as progress:
        for each in given:
            table, name = load_word_vectors(each), str(each)
            figures[name], sections[name] = [], {}
            for path, kind in sets:
                progress.show(f"{name}, {path.name}")
                if kind == "pairs":
                    figures[name].append(_pairs(table, path))
                elif kind == "outliers":
                    figures[name] += _outliers(table, path)
                else:
                    own = judge_analogies(table, read_analogies(path), method=method, limit=limit)
                    sections[name][path.name] = own
                    figures[name] += _totals(path, own)
    return VectorFigures(figures, sections)


def _short(names: list[str]) -> list[str]:
    """Return the last parts of some paths, if they tell them apart."""
    last = [Path(name).name for name in names]
    return last if len(set(last)) == len(last) else names


def _files(data: Sequence[str | Path]) -> list[Path]:
    found: list[Path] = []
    for each in map(Path, data):
        inside = sorted(p for p in each.rglob("*") if p.is_file()) if each.is_dir() else [each]
        found += [path for path in inside if not path.name.startswith(".")]
    if not found:
        raise ConfigError(
            "Nothing to judge by: give files or folders of word pairs, analogies or outliers with "
            "--data."
        )
    return found


def _kind(path: Path) -> str:
    """Tell analogies by a section, outliers by lines of one word, pairs by all else."""
    first = next((line for _, line in lines_of(path) if not line.startswith("#")), None)
    if first is None:
        raise DataError("an empty file.", path=path)
    if first.startswith(":"):
        return "analogies"
    return "outliers" if len(parted(first)) == 1 else "pairs"


def _pairs(table: WordVectors, path: Path) -> Judged:
    found = judge_pairs(table, read_pairs(path))
    return Judged(path.name, "spearman", found.spearman, found.known, found.pairs)


def _outliers(table: WordVectors, path: Path) -> Iterator[Judged]:
    found = judge_outliers(table, *read_outliers(path))
    for figure in ("accuracy", "position"):
        yield Judged(path.name, figure, getattr(found, figure), found.known, found.outliers)


def _totals(path: Path, sections: dict[str, SectionFigures]) -> Iterator[Judged]:
    """Yield the figures of all sections, and of meaning and grammar where they are told apart."""
    nothing = SectionFigures(0, 0, 0)
    grammar = [own for name, own in sections.items() if name.startswith(_GRAMMAR)]
    meaning = [own for name, own in sections.items() if not name.startswith(_GRAMMAR)]
    parts = [("", [*grammar, *meaning])]
    if grammar and meaning:
        parts += [(", meaning", meaning), (", grammar", grammar)]
    for name, own in parts:
        found = sum(own, nothing)
        yield Judged(path.name + name, "accuracy", found.accuracy, found.known, found.questions)
