"""Two runs on the same labelled examples: whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gloze.core.errors import ConfigError
from gloze.metrics.significance import PairedTest, mcnemar, paired_test, randomization_test
from gloze.metrics.table import text_table
from gloze.tasks.model import row_counts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gloze.core.batch import Bools
    from gloze.tasks.learned import Counted, Judged
    from gloze.tasks.task import Task


@dataclass(frozen=True)
class Seen:
    """What a model made of some labelled examples.

    Attributes:
        task: of the model.
        judged: the examples with its scores.
        figures: by name.
    """

    task: Task[Any]
    judged: Judged[Any]
    figures: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """A run beside another one; differences are its figures less those of the other.

    Attributes:
        other: the other run.
        pairs: how many seeds both have.
        seeds: of each figure worth a column, what the pairs say.
        metric: the task's own figure.
        examples: p of its difference, by exchanging the two runs' answers to examples at random;
            None where answers cannot be exchanged.
        mcnemar: p of the exact test of McNemar on which examples are right, of one model each
            that gives every example a label; else None.
    """

    other: Path
    pairs: int
    seeds: dict[str, PairedTest]
    metric: str
    examples: float | None
    mcnemar: float | None

    def __str__(self) -> str:
        rows = [
            [
                name,
                f"{test.mean:+.4f}",
                *(_shown(p) for p in (test.t_test, test.permutation)),
                _shown(self.examples if name == self.metric else None),
                _shown(self.mcnemar if name == "accuracy" else None),
            ]
            for name, test in self.seeds.items()
        ]
        header = ["figure", "difference", "p t-test", "p seeds", "p examples", "p McNemar"]
        return f"Against {self.other}, pairs of seeds: {self.pairs}\n" + text_table(header, rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON can hold it."""
        return {**asdict(self), "other": str(self.other)}


def _shown(p: float | None) -> str:
    return "-" if p is None else f"{p:.4f}"


def compare(
    path: Path,
    mine: Mapping[str, Seen],
    other: Path,
    theirs: Mapping[str, Seen],
) -> Comparison:
    """Compare what two runs made of the same examples, each with its own settings.

    Args:
        path: of the examples.
        mine: by seed.
        other: the other run.
        theirs: by seed; judged by the same figures.

    Raises:
        ConfigError: if the runs have no seed in common.
    """
    pairs = [(mine[seed], theirs[seed]) for seed in mine if seed in theirs]
    if not pairs and len(mine) == len(theirs) == 1:
        pairs = list(zip(mine.values(), theirs.values(), strict=True))
    if not pairs:
        raise ConfigError(
            f"{other} has {_seeds(theirs)}, and this run {_seeds(mine)}: runs are compared pair "
            "by pair of the same seed."
        )
    first, second = pairs[0]
    # A tagger that knows no chunks has fewer figures than one that does.
    names = [n for n in first.task.shown(first.judged.learned) if n in second.figures]
    seeds = {
        name: paired_test(*([seen.figures[name] for seen in side] for side in _sides(pairs)))
        for name in names
    }
    return Comparison(
        other=other,
        pairs=len(pairs),
        seeds=seeds,
        metric=names[0],
        examples=_examples_test(path, pairs, names[0]),
        mcnemar=_mcnemar(first, second) if len(pairs) == 1 else None,
    )


def _seeds(seen: Mapping[str, Seen]) -> str:
    """Return in words which models of a run there are; a lone one goes by no seed."""
    return "one model" if list(seen) == ["-"] else f"the seeds {', '.join(seen)}"


def _sides(pairs: Sequence[tuple[Seen, Seen]]) -> tuple[list[Seen], list[Seen]]:
    """Return the other run's, then this run's: a difference is second less first."""
    return [their for _, their in pairs], [my for my, _ in pairs]


def _examples_test(path: Path, pairs: Sequence[tuple[Seen, Seen]], metric: str) -> float | None:
    """Return p by exchanging answers, those of all seeds together; None if it cannot be done."""
    each = [tuple(seen.task.each(seen.judged) for seen in pair) for pair in pairs]
    apart = [a - b for a, b in each if a is not None and b is not None]
    if len(apart) == len(each):
        total = np.sum(apart, axis=0)
        return randomization_test(
            lambda exchanged: float(np.where(exchanged, -total, total).mean()), len(total)
        )
    counted = [tuple(seen.task.counted(seen.judged, path, metric) for seen in p) for p in pairs]
    both = [(a, b) for a, b in counted if a is not None and b is not None]
    if len(both) == len(counted):
        return _counts_test(both)
    if not all(_can_exchange(*pair, path, metric) for pair in pairs):
        return None

    def figure(one: Seen, other: Seen, exchanged: Bools) -> float:
        counts = row_counts(one.judged.encoded, _rows_per(one))
        rows = np.where(np.repeat(exchanged, counts)[:, None], other.judged.rows, one.judged.rows)
        return float(one.task.figures(replace(one.judged, rows=rows), path)[metric])

    def difference(exchanged: Bools) -> float:
        return sum(figure(a, b, exchanged) - figure(b, a, exchanged) for a, b in pairs)

    return randomization_test(difference, len(pairs[0][0].judged.examples))


def _counts_test(pairs: Sequence[tuple[Counted, Counted]]) -> float:
    """Return p where figures are of sums over examples: exchanged is what is added up."""

    def difference(exchanged: Bools) -> float:
        turn = exchanged[:, None]
        return sum(
            a.figure(np.where(turn, b.each, a.each).sum(0))
            - b.figure(np.where(turn, a.each, b.each).sum(0))
            for a, b in pairs
        )

    return randomization_test(difference, len(pairs[0][0].each))


def _can_exchange(one: Seen, other: Seen, path: Path, metric: str) -> bool:
    """Return whether a sample is an example, and scores of both mean the same.

    Where they do not, or cannot be decoded a thousand times over, only answers that are counted
    one by one (:meth:`Task.counted`) can be exchanged.
    """
    if _rows_per(one) not in ("sample", "sequence"):
        return False
    mine, theirs = one.judged, other.judged
    rows, others = (row_counts(seen.judged.encoded, _rows_per(seen)) for seen in (one, other))
    return (
        mine.learned == theirs.learned
        and mine.rows.shape == theirs.rows.shape
        and len(mine.encoded) == len(mine.examples)
        and np.array_equal(rows, others)
        # The settings of one may make other answers of the same scores.
        and one.task.figures(theirs, path)[metric] == other.figures[metric]
        and other.task.figures(mine, path)[metric] == one.figures[metric]
    )


def _rows_per(seen: Seen) -> str:
    return cast("Any", seen.judged.head).rows_per


def _mcnemar(my: Seen, their: Seen) -> float | None:
    sides = []
    for seen in (my, their):
        answers = [getattr(answer, "label", None) for answer in seen.task.answers(seen.judged)]
        labels = [getattr(example, "label", None) for example in seen.judged.examples]
        if not all(isinstance(found, str) for found in (*answers, *labels)):
            return None
        sides.append(np.array([a == b for a, b in zip(answers, labels, strict=True)]))
    return mcnemar(*sides)
