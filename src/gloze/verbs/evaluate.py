"""``gloze evaluate``: how good a run is on data it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import config_of, load_task, models_of
from gloze.core.devices import pick_device
from gloze.core.errors import ConfigError, about
from gloze.core.files import read_json
from gloze.metrics.statistics import spread
from gloze.metrics.table import seeds_table, text_table, types_tables
from gloze.tasks.comparison import Comparison, Seen, compare
from gloze.tasks.encoded import lines_of_loss
from gloze.tasks.model import kind_of_model
from gloze.tasks.question_tables import find_reader
from gloze.tasks.squad_answers import ANSWERS, NULL_THRESHOLD, answer_notes, judge_predictions
from gloze.verbs.evaluate_pairs import FORMAT as PAIRS
from gloze.verbs.evaluate_pairs import judge_pairs
from gloze.verbs.evaluate_pretraining import judge_pretraining

if TYPE_CHECKING:
    from gloze.tasks.task import Task


@dataclass(frozen=True)
class EvaluateResult:
    """Figures of a run on some data.

    Attributes:
        path: the run or model folder.
        data: what it was judged on.
        kind: the task, ``pretraining``, ``minimal pairs``, or ``answers`` of a file.
        figures: of each seed (``-`` if there is one model), by name.
        shown: the names that are worth a column.
        encoding: of labelled examples: the true shares of truncated ones and unknown tokens.
        against: the comparison with another run, if one was asked for.
    """

    path: Path
    data: Path
    kind: str
    figures: dict[str, dict[str, Any]]
    shown: list[str]
    encoding: dict[str, float] | None = None
    against: Comparison | None = None

    def __str__(self) -> str:
        first = next(iter(self.figures.values()))
        if self.kind in ("pretraining", ANSWERS):
            digits = 5 if self.kind == ANSWERS else 4
            rows = [[name, f"{first[name]:.{digits}f}"] for name in self.shown]
            table = text_table(["figure", "value"], rows)
            return "\n".join([f"{self.path} on {self.data}", *answer_notes(first), table])
        rows_by_seed = {
            seed: {name: values[name] for name in self.shown}
            for seed, values in self.figures.items()
        }
        head = f"{self.path} on {self.data} ({first['examples']:,} examples)"
        lost = lines_of_loss("data", self.encoding) if self.encoding else []
        note = [f"  {first['note']}"] if "note" in first else []
        types = types_tables(self.figures)
        compared = [str(self.against)] if self.against else []
        return "\n".join([head, *lost, *note, seeds_table(rows_by_seed), *types, *compared])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures of each seed, their mean and deviation, as JSON can hold them."""
        first = next(iter(self.figures.values()))
        names = [name for name, value in first.items() if isinstance(value, float)]
        return {
            "path": str(self.path),
            "data": str(self.data),
            "kind": self.kind,
            "seeds": self.figures,
            "encoding": self.encoding,
            **{
                name: spread([values[name] for values in self.figures.values()]).to_dict()
                for name in names
            },
            **({"against": self.against.to_dict()} if self.against else {}),
        }


def evaluate(
    run: str | Path,
    data: str | Path,
    *,
    against: str | Path | None = None,
    format: str | None = None,
    columns: str | dict[str, str] | None = None,
    null_odds: str | Path | None = None,
    null_threshold: float = NULL_THRESHOLD,
    device: str = "auto",
) -> EvaluateResult:
    """Judge a fine-tuned run on labelled examples, a pre-trained one on text or pairs.

    Args:
        run: a run folder (every seed is judged), a model folder, or a file of answers to the
            questions of ``data``: SQuAD's predictions, whoever made them.
        data: labelled examples; for a pre-trained run a corpus or a shards folder, whose
            held-out split is taken if it has one, or pairs of sentences.
        against: another run of the same task, to be judged on the same examples: do the two
            differ by more than chance?
        format: layout of labelled examples: a name of GLUE, or tsv, csv, jsonl, parquet; or
            ``blimp``: minimal pairs for a language model, also a masked one, as JSON lines.
        columns: names of your columns, like ``text_a=sentence,label=gold``; of minimal pairs
            ``good=...,bad=...,type=...``.
        null_odds: of a file of answers: the file that says for each question how much speaks for
            there being no answer.
        null_threshold: answers with more than that are taken back; the default is that of
            SQuAD 2.0's script.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ConfigError: if ``run`` holds no model that can be judged, or ``against`` none of its task.
        DataError: if the data or the model cannot be used.
    """
    run, data = Path(run), Path(data)
    if null_odds is None and null_threshold != NULL_THRESHOLD:
        raise ConfigError("--null-threshold is about the numbers in --null-odds FILE: name it.")
    if run.is_file():
        if against is not None:
            raise ConfigError(f"--against compares runs, and {run} is a file of answers.")
        odds = None if null_odds is None else Path(null_odds)
        questions = find_reader(format, columns).read(data)
        figures = judge_predictions(run, questions, odds, null_threshold)
        names = [name for name, value in figures.items() if isinstance(value, float)]
        return EvaluateResult(run, data, ANSWERS, {"-": figures}, names)
    if null_odds is not None:
        raise ConfigError(f"--null-odds goes with a file of answers, and {run} is none.")
    models = models_of(run)
    if format == PAIRS:
        if against is not None:
            raise ConfigError(f"--against compares runs of a task, and {PAIRS} asks none.")
        pairs = judge_pairs(models, data, columns, device)
        return EvaluateResult(run, data, "minimal pairs", pairs, ["accuracy"])
    first = next(iter(models.values()))
    kind = _kind_of(first)
    if kind is None:
        if format is not None or columns is not None or against is not None:
            raise ConfigError(
                f"{run} is not fine-tuned: --format, --columns and --against say nothing here, "
                f"but for --format {PAIRS}."
            )
        held = judge_pretraining(first, data, device)
        return EvaluateResult(run, data, "pretraining", {"-": held}, list(held))
    others = {} if against is None else _others(Path(against), run, kind)
    labelled = Labelled(data, format, columns)
    seen = judge_models(models, labelled, device)
    task = next(iter(seen.values())).task
    compared = None
    if against is not None:
        with about(f"--against {against}"):
            theirs = judge_models(others, labelled, device, like=task)
        compared = compare(data, seen, Path(against), theirs)
    last = list(seen.values())[-1].judged
    by_seed = {seed: each.figures for seed, each in seen.items()}
    shown, summary = task.shown(last.learned), last.encoded.summary()
    return EvaluateResult(run, data, kind, by_seed, shown, summary, compared)


def _kind_of(model: Path) -> str | None:
    """Return the task of a model folder; None if it is not fine-tuned."""
    return kind_of_model(read_json(config_of(model)))


def _others(against: Path, run: Path, kind: str) -> dict[str, Path]:
    """Return the models of the run to compare with, which must be of the same task."""
    models = models_of(against)
    other = _kind_of(next(iter(models.values())))
    if other != kind:
        told = "is not fine-tuned" if other is None else f"is of the task {other!r}"
        raise ConfigError(
            f"--against {against} {told}, and {run} is of {kind!r}: only runs of one task are "
            "compared."
        )
    return models


@dataclass(frozen=True)
class Labelled:
    """A labelled file, and how it is read."""

    path: Path
    format: str | None
    columns: str | dict[str, str] | None
    _examples: list[Any] = field(default_factory=list)

    def examples(self, task: Task[Any]) -> list[Any]:
        """Return the examples, read once, as the first task that asks reads them.

        Standard input can be read only once, and two runs are compared on the same examples.
        """
        if not self._examples:
            self._examples.extend(task.reader(self.format, self.columns).read(self.path))
        return self._examples


def judge_models(
    models: dict[str, Path], data: Labelled, device: str, *, like: Task[Any] | None = None
) -> dict[str, Seen]:
    """Return what the model of each seed makes of the examples.

    Args:
        models: of a run, by seed.
        data: the examples.
        device: to compute on.
        like: judge by the figures of this task, so that those of two runs mean the same.
    """
    seen = {}
    for seed, folder in models.items():
        model = load_task(folder).to(pick_device(device))
        task = model.task if like is None else model.task.judging_as(like)
        examples = data.examples(task)
        judged = model.judge(examples, model.encode(examples, data.path))
        seen[seed] = Seen(task, judged, task.figures(judged, data.path))
    return seen
