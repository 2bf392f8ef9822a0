"""What an ablation gave: what each arm cost, how good it is, whether that is chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from gloze.metrics.significance import PairedTest, holm, paired_test
from gloze.metrics.statistics import Spread, spread
from gloze.metrics.table import text_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# The figures of held-out text that a column is given to, the first that there is.
_HELD_OUT = ("mlm_loss", "lm_loss", "loss")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a pre-training took, and what it came to on held-out text.

    Attributes:
        kind: ``encoder`` or ``word vectors``.
        parameters: numbers that were trained.
        tokens: seen, of the arm's own tokenizer.
        passes: over the corpus.
        seconds: of training, evaluations counted in.
        flops: operations of the products, by formula; None where they are not counted.
        figures: of the held-out split at the end.
    """

    kind: str
    parameters: int
    tokens: int
    passes: float
    seconds: float
    flops: float | None
    figures: dict[str, float]

    @property
    def held_out(self) -> tuple[str, float] | None:
        """The loss on held-out text by its name, if there is one."""
        return next(((n, self.figures[n]) for n in _HELD_OUT if n in self.figures), None)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An arm's figure on a task less that of the first arm, and whether it is chance.

    Attributes:
        mean: of the differences of the pairs.
        pairs: pre-trainings of the same seed, fine-tunings averaged, where both arms have
            several; else fine-tunings of the same seed.
        unit: which of the two.
        p_seeds: two-sided p of Student's t over the pairs: would trainings with other seeds
            differ so? None for one pair, or where the arms have no pairs of a kind.
        p_examples: two-sided p by exchanging the arms' answers to examples at random, those of
            all seeds together: would these models differ so on other examples? None where
            answers cannot be exchanged.
        p_adjusted: the larger of the two, for both have to be answered with yes (an
            intersection-union test, Berger 1982), raised for all comparisons of the ablation
            (Holm 1979). None where nothing is known of seeds.
    """

    mean: float
    pairs: int
    unit: str
    p_seeds: float | None
    p_examples: float | None
    p_adjusted: float | None = None

    @property
    def p(self) -> float | None:
        """The p that is adjusted."""
        if self.p_seeds is None or self.p_examples is None:
            return self.p_seeds
        return max(self.p_seeds, self.p_examples)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an arm came to on a task.

    Attributes:
        metric: the task's own figure.
        split: of the examples it is of.
        examples: how many.
        figures: by the seed of pre-training, and in it by that of fine-tuning.
        seconds: of all its fine-tunings.
        difference: to the first arm; None of the first itself, and until both are there.
    """

    metric: str
    split: str
    examples: int
    figures: dict[int, dict[int, float]]
    seconds: float
    difference: Difference | None = None

    @property
    def units(self) -> dict[int, float]:
        """The figures that spread and test go by.

        Fine-tunings of one pre-training have much in common: where there are several
        pre-trainings each counts once, by its mean.
        """
        if len(self.figures) == 1:
            return next(iter(self.figures.values()))
        return {seed: spread(list(own.values())).mean for seed, own in self.figures.items()}

    @property
    def spread(self) -> Spread:
        """Mean and standard deviation over these."""
        return spread(list(self.units.values()))


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """What an arm took and came to.

    Attributes:
        name: of the arm.
        recipe: or the model.
        costs: of its pre-trainings, by seed; none of a model that was there.
        trained_as: the arm whose pre-trainings they are, where it is another.
        outcomes: by task.
        failures: why parts of it could not be done, by part.
    """

    name: str
    recipe: str
    costs: dict[int, Cost]
    trained_as: str | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def cells(self) -> list[str]:
        """Return parameters, tokens, passes, minutes, FLOPs and held-out loss, means of seeds."""
        costs = list(self.costs.values())
        if not costs:
            return ["-"] * 6
        held_out = [cost.held_out for cost in costs]
        shown = [f"{name} {value:.4f}" for name, value in filter(None, held_out)]
        if len(shown) > 1:
            values = spread([value for _, value in filter(None, held_out)])
            shown = [f"{shown[0].split()[0]} {values}"]
        flops = [cost.flops for cost in costs if cost.flops is not None]
        return [
            f"{costs[0].parameters:,}",
            f"{_mean([cost.tokens for cost in costs]):,.0f}",
            f"{_mean([cost.passes for cost in costs]):.2f}",
            f"{_mean([cost.seconds for cost in costs]) / 60:.1f}",
            f"{_mean(flops):.3g}" if flops else "-",
            shown[0] if shown else "-",
        ]


COST_COLUMNS = ("arm", "parameters", "tokens", "passes", "minutes", "FLOPs", "held-out")
DIFFERENCE_COLUMNS = ("task", "arm", "difference", "pairs", "p seeds", "p examples", "p adjusted")


@dataclass(frozen=True, kw_only=True)
class AblationResult:
    """Arms beside each other.

    Attributes:
        path: the folder of the ablation.
        budget: of each pre-training, in words; none if nothing was pre-trained.
        arms: the first is what the others are compared with.
        tasks: names, each with the figure and the split that arms are compared by.
        exit_code: that of the first part that failed; 0 if all is done.
    """

    path: Path
    budget: str | None
    arms: list[ArmResult]
    tasks: list[str]
    exit_code: int = 0

    def __str__(self) -> str:
        lines = [self.tables()]
        lines += [f"Failed: {arm}, {part}: {why}" for arm, part, why in self.failures()]
        if self.failures():
            lines.append("What failed is tried again with --resume.")
        lines += [
            f"Table: {self.path / 'table.md'}",
            f"Results: {self.path / 'results.json'}",
            f"Report: {self.path / 'report.html'}",
        ]
        return "\n".join(lines)

    def tables(self) -> str:
        """Return cost, figures and differences as plain text."""
        text = text_table(*self.figures_rows())
        rows = self.difference_rows()
        if rows:
            first = self.arms[0].name
            text += f"\nAgainst {first}:\n" + text_table(DIFFERENCE_COLUMNS, rows)
        return text

    def figures_rows(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows: what each arm took, and its mean ± deviation on each task."""
        heads = [self.heading(name) for name in self.tasks]
        rows = []
        for arm in self.arms:
            spreads = [
                str(arm.outcomes[name].spread) if name in arm.outcomes else "-"
                for name in self.tasks
            ]
            rows.append([arm.name, *arm.cells(), *spreads])
        return [*COST_COLUMNS, *heads], rows

    def heading(self, task: str) -> str:
        """Return a task's name with the figure and the split it is judged by, where known."""
        found = next((arm.outcomes[task] for arm in self.arms if task in arm.outcomes), None)
        return task if found is None else f"{task} {found.metric} ({found.split})"

    def difference_rows(self) -> list[list[str]]:
        """Return a row for each task and arm that is compared with the first."""
        rows = []
        for name in self.tasks:
            for arm in self.arms[1:]:
                found = arm.outcomes[name].difference if name in arm.outcomes else None
                if found is not None:
                    tests = (found.p_seeds, found.p_examples, found.p_adjusted)
                    shown = ["-" if p is None else f"{p:.4f}" for p in tests]
                    pairs = f"{found.pairs} {found.unit}"
                    rows.append([name, arm.name, f"{found.mean:+.4f}", pairs, *shown])
        return rows

    def failures(self) -> list[tuple[str, str, str]]:
        """Return arm, part and reason of all that could not be done."""
        return [(arm.name, part, why) for arm in self.arms for part, why in arm.failures.items()]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON knows it, with mean and deviation of each arm on each task."""
        arms = []
        for arm in self.arms:
            values = asdict(arm)
            for name, outcome in arm.outcomes.items():
                values["outcomes"][name] |= outcome.spread.to_dict()
            arms.append(values)
        return {"budget": self.budget, "tasks": self.tasks, "arms": _text_keys(arms)}


def compare_outcomes(mine: Outcome, theirs: Outcome, p_examples: float | None) -> Difference | None:
    """Return the difference of an arm to the first; None if they have no seeds in common.

    Pairs are of one kind: pre-trainings with pre-trainings, or fine-tunings with fine-tunings.
    """
    both_several = len(mine.figures) > 1 and len(theirs.figures) > 1
    if both_several or len(mine.figures) == len(theirs.figures) == 1:
        unit = "pre-trainings" if both_several else "fine-tunings"
        test, count = _paired(mine.units, theirs.units)
        if test is not None:
            return Difference(
                mean=test.mean, pairs=count, unit=unit, p_seeds=test.t_test, p_examples=p_examples
            )
    seeds = [seed for seed in mine.figures if seed in theirs.figures]
    if not seeds:
        return None
    # One of them has one pre-training only, so what spreads over seeds is not the same thing.
    test, count = _paired(mine.figures[seeds[0]], theirs.figures[seeds[0]])
    if test is None:
        return None
    return Difference(
        mean=test.mean, pairs=count, unit="fine-tunings", p_seeds=None, p_examples=p_examples
    )


def adjust(differences: Sequence[Difference]) -> list[float | None]:
    """Return the adjusted p of each difference, all of them together."""
    raised = iter(holm([found.p for found in differences if found.p is not None]))
    return [None if found.p is None else next(raised) for found in differences]


def _paired(
    mine: Mapping[int, float], theirs: Mapping[int, float]
) -> tuple[PairedTest | None, int]:
    common = [seed for seed in mine if seed in theirs]
    if not common:
        return None, 0
    return paired_test([theirs[seed] for seed in common], [mine[seed] for seed in common]), len(
        common
    )


def _mean(values: Sequence[float]) -> float:
    return spread(values).mean


def _text_keys(value: Any) -> Any:
    """Return the same with names in the place of numbers: JSON has no others."""
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list | tuple) else value
