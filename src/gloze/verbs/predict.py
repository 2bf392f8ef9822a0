"""``gloze predict``: a file of texts becomes a file of answers with probabilities."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import load_task, models_of
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.core.progress import Progress, duration
from gloze.tasks.blocks import in_blocks
from gloze.tasks.encoded import lines_of_loss, shares
from gloze.tasks.results import saved_best_seed

if TYPE_CHECKING:
    from gloze.core.devices import Precision


@dataclass(frozen=True)
class PredictSummary:
    """What was answered, and where it lies.

    Attributes:
        path: the file of answers.
        model: the model folder used.
        examples: how many were answered.
        answers: how often each label was said; empty where answers are no labels.
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
    to: str | None = None,
    precision: Precision = "float32",
    device: str = "auto",
    force: bool = False,
) -> PredictSummary:
    """Answer every example of a file.

    A table of answers keeps the order and the columns of the input and adds those of the task:
    for classification ``predicted_label`` and, for each label, ``probability_LABEL``. Labels in
    the input are not looked at.

    Args:
        run: a fine-tuned run (its best seed answers), a model folder, or one in Hugging Face
            layout.
        data: TSV, CSV, JSONL or Parquet, plain or compressed.
        output: the file to write: .tsv, .csv, .jsonl or .parquet.
        format: layout of ``data``: a name of GLUE, or tsv, csv, jsonl, parquet.
        columns: names of your columns, like ``text_a=sentence,text_b=reply``.
        to: layout of ``output``: ``table``, or another that the task writes, such as ``glue``.
        precision: ``float32``; ``bfloat16``, several times as fast on processors with units for
            it, with probabilities a hundredth off; ``auto``, which is bf16 where it is fast.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        force: replace ``output`` if it exists.

    Raises:
        ConfigError: if ``run`` holds no model, ``output`` exists or has another suffix, or the
            task does not write ``to``.
        DataError: naming file, line and column of the first thing that is wrong.
        WriteError: if ``output`` cannot be written.
    """
    output, data = Path(output), Path(data)
    refuse_inputs(output, [data])
    refuse_existing(output, force=force)
    folder = _best_model(Path(run))
    model = load_task(folder, precision=precision, device=device)
    task = model.task
    counts: Counter[str] = Counter()
    tally = Counter(dict.fromkeys(model.labels, 0))
    examples = task.reader(format, columns).read(data, needs_labels=False, keep_rows=True)
    writer = task.writer(output, to, source=data, force=force)
    done = 0
    with Progress("predict") as progress, writer as file:
        for block in in_blocks(examples, task.AT_ONCE):
            judged = model.judge(block)
            answers = task.answers(judged)
            file.write(block, answers)
            counts.update(judged.encoded.counts())
            tally.update(said for answer in answers for said in task.tally(answer))
            done += len(block)
            progress.show(f"{done:,} examples")
        seconds = progress.seconds
    encoding = shares(counts)
    return PredictSummary(output, folder, done, dict(tally), encoding, seconds)


def _best_model(run: Path) -> Path:
    models = models_of(run)
    return models.get(saved_best_seed(run) or "", next(iter(models.values())))
