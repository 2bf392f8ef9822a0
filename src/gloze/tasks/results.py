"""What a fine-tuning gave: figures of each seed, their spread, and the model at hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError
from gloze.core.files import read_json
from gloze.core.progress import duration
from gloze.metrics.statistics import spread
from gloze.metrics.table import seeds_table, text_table
from gloze.tasks.encoded import lines_of_loss
from gloze.tasks.trials import Trial, best_trial, trials_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gloze.tasks.model import TaskModel

# A run's folder holds the one; each seed's folder holds the other once it is finished.
RESULTS, FIGURES = "results.json", "figures.json"
# What hubs call the tasks that they know.
_PIPELINES = {
    "classification": "text-classification",
    "multilabel": "text-classification",
    "tagging": "token-classification",
    "span": "question-answering",
    "choice": "multiple-choice",
    "ranking": "text-ranking",
}


@dataclass(frozen=True)
class SeedResult:
    """What one seed gave.

    Attributes:
        seed: everything random followed from it.
        path: its run folder.
        steps, tokens, seconds: what its training took, evaluations counted in.
        figures: of each labelled split (``dev``, ``test``), by name.
        mix: the shares in which a learned mix reads the layers, and gamma; None without one.
    """

    seed: int
    path: Path
    steps: int
    tokens: int
    seconds: float
    figures: dict[str, dict[str, Any]]
    mix: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {**self.__dict__, "path": str(self.path)}

    @classmethod
    def from_dict(cls, values: dict[str, Any], path: Path) -> SeedResult:
        """Return the result that was saved in the run folder ``path``.

        Raises:
            DataError: if names are missing or unknown: another version wrote it.
        """
        try:
            return cls(**{**values, "path": path})
        except TypeError:
            raise DataError("written by another version of gloze.", path=path / FIGURES) from None


@dataclass(frozen=True)
class FinetuneResult:
    """What a fine-tuning gave, and where it lies.

    Attributes:
        path: the run folder.
        task, transfer: what was asked for.
        labels: in the order of their numbers; none if the task has none.
        metrics: the figures worth a column; by the first one seeds are compared.
        best_seed: the best on dev; the first if there is no dev file.
        seeds: the result of each.
        encoding: of each split: examples, tokens, and the true shares of truncated examples
            and unknown tokens.
        load: reads a model folder.
        over: what ``seeds`` are: ``seed``, or ``fold`` of a cross-validation, by its number.
        trials: of the search that chose the settings, if there was one.
    """

    path: Path
    task: str
    transfer: str
    labels: list[str]
    metrics: list[str]
    best_seed: int
    seeds: tuple[SeedResult, ...]
    encoding: dict[str, dict[str, float]]
    load: Callable[[Path], TaskModel] = field(repr=False, compare=False)
    over: str = "seed"
    trials: tuple[Trial, ...] = ()

    @property
    def best(self) -> SeedResult:
        """The result of the best seed."""
        return next(result for result in self.seeds if result.seed == self.best_seed)

    @property
    def model(self) -> Path:
        """The model folder of the best seed."""
        return self.best.path / "model"

    @property
    def metric(self) -> str:
        """The figure by which seeds are compared."""
        return self.metrics[0]

    @cached_property
    def loaded(self) -> TaskModel:
        """The model of the best seed, loaded when first used."""
        return self.load(self.model)

    def predict(self, inputs: Sequence[Any]) -> list[Any]:
        """Return an answer for each input, in their order: texts, or pairs, as the task has it."""
        return self.loaded.predict(inputs)

    def evaluate(
        self, path: str | Path, *, format: str | None = None, columns: str | None = None
    ) -> dict[str, Any]:
        """Return the figures of the best seed on a labelled file, by name."""
        examples = list(self.loaded.task.reader(format, columns).read(Path(path)))
        return self.loaded.figures(examples, Path(path))

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    def shown(self, split: str) -> dict[str, dict[str, float]]:
        """Return for each seed the figures of a split that are worth a column."""
        return {
            str(result.seed): {name: result.figures[split][name] for name in self.metrics}
            for result in self.seeds
        }

    def notes(self) -> list[str]:
        """Return what was done, and what of the texts was lost, a line each."""
        tuned = f"Fine-tuned on {self.encoding['train']['examples']:,.0f} examples"
        seconds = sum(result.seconds for result in self.seeds)
        lines = [f"{tuned}, transfer {self.transfer}, in {duration(seconds)}."]
        if self.trials:
            lines.append(
                f"Settings by search over {len(self.trials)} trials, the best on dev: "
                f"{' '.join(best_trial(self.trials).changes)}"
            )
        for split, summary in self.encoding.items():
            lines += lines_of_loss(split, summary)
        for result in self.seeds:
            if result.mix is not None:
                shares = ", ".join(f"{layer}: {x:.3f}" for layer, x in result.mix["shares"].items())
                gamma = result.mix["gamma"]
                lines.append(
                    f"Mix of layers, {self.over} {result.seed}: {shares}; gamma {gamma:.3f}."
                )
        return lines

    def __str__(self) -> str:
        lines = self.notes()
        if self.trials:
            lines.append(text_table(*trials_table(self.trials)))
        for split in self.best.figures:
            figures = self.best.figures[split]
            judged = [result.figures[split]["examples"] for result in self.seeds]
            is_fold = self.over == "fold"
            lines += [f"{split} ({sum(judged) if is_fold else judged[0]:,} examples)"]
            # A note is of one file, and every fold has its own.
            lines += [f"  {figures['note']}"] if "note" in figures and not is_fold else []
            lines += [seeds_table(self.shown(split), self.over)]
        if len(self.seeds) > 1:
            lines.append(f"Best {self.over}: {self.best_seed}")
        # No model of all examples comes of a cross-validation.
        answering = self.best.path if self.over == "fold" else self.path
        lines += [
            f"Model: {self.model}",
            f"Results: {self.path / RESULTS}",
            f"Report: {self.report}",
            f"Next: gloze predict {answering} --data FILE -o predictions.tsv",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the result, with mean and deviation over seeds, as JSON can hold it."""
        splits = {
            split: {
                name: spread([result.figures[split][name] for result in self.seeds]).to_dict()
                for name, value in figures.items()
                if isinstance(value, float)
            }
            for split, figures in self.best.figures.items()
        }
        return {
            "path": str(self.path),
            "model": str(self.model),
            "task": self.task,
            "transfer": self.transfer,
            "labels": self.labels,
            "metric": self.metric,
            "best_seed": self.best_seed,
            **splits,
            "seeds": [result.to_dict() for result in self.seeds],
            "encoding": self.encoding,
            **({"over": self.over} if self.over != "seed" else {}),
            **({"trials": [trial.to_dict() for trial in self.trials]} if self.trials else {}),
        }


def best_seed(results: Sequence[SeedResult], metric: str) -> int:
    """Return the seed with the best dev figure, the first of equals; without dev the first."""
    if "dev" not in results[0].figures:
        return results[0].seed
    return max(results, key=lambda result: (result.figures["dev"][metric], -result.seed)).seed


def saved_best_seed(run: Path) -> str | None:
    """Return the best seed that the results of a run name; None if there are no results."""
    found = read_json(run / RESULTS) if (run / RESULTS).is_file() else None
    return str(found.get("best_seed")) if isinstance(found, dict) else None


def model_card(
    result: SeedResult,
    *,
    task: str,
    labels: Sequence[str],
    transfer: str,
    base: str,
    is_static: bool = False,
) -> str:
    """Return the text of a model card: what is known of the run, nothing invented.

    One of word vectors is for no library of Hugging Face, and says so.
    """
    figures = [
        f"| {split} {name} ({values['examples']:,} examples) | {value:.4f} |"
        for split, values in result.figures.items()
        for name, value in values.items()
        if isinstance(value, float)
    ]
    names = f"{', '.join(labels[:50])}{', ...' if len(labels) > 50 else ''}"
    what = "Word vectors" if is_static else "An encoder"
    lines = [
        "---",
        f"library_name: {'gloze' if is_static else 'transformers'}",
        *([f"pipeline_tag: {_PIPELINES[task]}"] if task in _PIPELINES else []),
        "---",
        f"# A model of the task {task}",
        "",
        f"{what} fine-tuned with gloze (transfer {transfer}, seed {result.seed}) from {base}.",
        "",
        "| | |",
        "|---|---|",
        *([f"| labels ({len(labels)}) | {names} |"] if labels else []),
        f"| steps | {result.steps:,} |",
        f"| tokens trained on | {result.tokens:,} |",
        *figures,
        "",
    ]
    return "\n".join(lines)
