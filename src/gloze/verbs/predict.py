"""``gloze predict``: a file of texts becomes a file of answers with probabilities."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import load_classifier
from gloze.config.runs import models_of
from gloze.core.devices import pick_device
from gloze.core.errors import DataError
from gloze.core.progress import Progress, duration
from gloze.tasks.encoding import lines_of_loss, shares
from gloze.tasks.examples import iterate_examples
from gloze.tasks.formats import find_format
from gloze.tasks.results import saved_best_seed
from gloze.tasks.writing import check_table_path, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.tasks.classifier import Prediction
    from gloze.tasks.examples import Example

ANSWER, PROBABILITY = "predicted_label", "probability_"
_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class PredictSummary:
    """What was answered, and where it lies.

    Attributes:
        path: the file of answers.
        model: the model folder used.
        examples: how many were answered.
        answers: how often each label was.
        encoding: tokens, and the true shares of truncated examples and unknown tokens.
        seconds: duration.
    """

    path: Path
    model: Path
    examples: int
    answers: dict[str, int]
    encoding: dict[str, float]
    seconds: float

    def __str__(self) -> str:
        speed = self.examples / max(self.seconds, 1e-9)
        lines = [
            f"Answered {self.examples:,} examples in {duration(self.seconds)} "
            f"({speed:,.0f} a second).",
            *(
                f"  {label}: {count:,} ({count / self.examples:.1%})"
                for label, count in self.answers.items()
            ),
            *lines_of_loss("input", self.encoding),
            f"Model: {self.model}",
            f"Answers: {self.path}",
            f"Next, if the file has labels: gloze evaluate {self.model} --data FILE",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON knows it."""
        return {**asdict(self), "path": str(self.path), "model": str(self.model)}


def predict(
    run: str | Path,
    data: str | Path,
    *,
    output: str | Path,
    format: str | None = None,
    columns: str | dict[str, str] | None = None,
    device: str = "auto",
    force: bool = False,
) -> PredictSummary:
    """Answer every example of a file.

    The answers keep the order and the columns of the input and add ``predicted_label`` and,
    for each label, ``probability_LABEL``. Labels in the input are not looked at.

    Args:
        run: a fine-tuned run (its best seed answers), a model folder, or one in Hugging Face
            layout.
        data: TSV, CSV, JSONL or Parquet, plain or compressed.
        output: the file to write: .tsv, .csv, .jsonl or .parquet.
        format: layout of ``data``: a name of GLUE, or tsv, csv, jsonl, parquet.
        columns: names of your columns, like ``text_a=sentence,text_b=reply``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        force: replace ``output`` if it exists.

    Raises:
        ConfigError: if ``run`` holds no model, or ``output`` exists or has another suffix.
        DataError: naming file, line and column of the first thing that is wrong.
        WriteError: if ``output`` cannot be written.
    """
    output, data = Path(output), Path(data)
    check_table_path(output, force=force)
    layout = find_format(format, columns)
    model = _best_model(Path(run))
    classifier = load_classifier(model)
    classifier.encoder.to(pick_device(device))
    classifier.head.to(pick_device(device))
    counts: Counter[str] = Counter()
    answers = Counter(dict.fromkeys(classifier.labels, 0))
    examples = iterate_examples(data, layout, needs_labels=False, keep_rows=True)
    with Progress("predict") as progress, write_table(output, force=force) as table:
        while block := list(islice(examples, _AT_ONCE)):
            encoded = classifier.encode(block)
            rows = _answered(block, classifier.answers(classifier.judge(encoded)), data)
            counts.update(encoded.counts())
            answers.update(row[ANSWER] for row in rows)
            table.write(rows)
            progress.show(f"{answers.total():,} examples")
        seconds = progress.seconds
    encoding = shares(counts)
    return PredictSummary(output, model, answers.total(), dict(answers), encoding, seconds)


def _best_model(run: Path) -> Path:
    models = models_of(run)
    return models.get(saved_best_seed(run) or "", next(iter(models.values())))


def _answered(
    examples: Sequence[Example], answers: Sequence[Prediction], path: Path
) -> list[dict[str, Any]]:
    rows = []
    for example, answer in zip(examples, answers, strict=True):
        added: dict[str, str | float] = {ANSWER: answer.label}
        added |= {f"{PROBABILITY}{label}": p for label, p in answer.probabilities.items()}
        row = example.row or {}
        if taken := [name for name in added if name in row]:
            raise DataError(
                "the input has this column already.",
                path=path,
                line=example.line,
                column=taken[0],
                hint="Rename it or take it out.",
            )
        rows.append({**row, **added})
    return rows
