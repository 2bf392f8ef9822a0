"""The record of a training: ``metrics.jsonl`` always, TensorBoard if wished, a progress line."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError, MissingExtraError
from gloze.core.files import new_file, write_json, writing
from gloze.core.progress import Progress, duration, say
from gloze.core.ranks import ranks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gloze.core.batch import Step


class MetricsLog:
    """Rows appended to ``metrics.jsonl``; resuming drops the rows after the checkpoint.

    Of several processes the first keeps it.

    Args:
        folder: the run folder.
        what: the name on the progress line.
        tensorboard: also write events below ``folder/tensorboard`` (the ``track`` extra).
    """

    def __init__(self, folder: Path, what: str, *, tensorboard: bool = False) -> None:
        self.folder, self.path = folder, folder / "metrics.jsonl"
        self.progress = Progress(what)
        self.rank = ranks().rank
        self._writer = _tensorboard_writer(folder) if tensorboard and not self.rank else None

    def rewind(self, step: int) -> None:
        """Keep the rows up to ``step`` only, or start a new record if there are none."""
        if self.rank:
            return
        rows = [row for row in read_metrics(self.path) if row["step"] <= step]
        with new_file(self.path) as temporary, temporary.open("w", encoding="utf-8") as file:
            file.writelines(_line(row) for row in rows)

    def row(self, values: dict[str, Any], progress: float) -> None:
        """Append a row and show it."""
        if self.rank:
            return
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_line(values))
        self.progress.show(self._text(values, progress))
        if self._writer is not None:
            group = values.get("split", "train")
            for name, value in values.items():
                if isinstance(value, int | float) and name != "step":
                    self._writer.add_scalar(f"{group}/{name}", value, values["step"])
            self._writer.flush()

    def refuse(self, step: int, data: Step, losses: dict[str, float]) -> None:
        """Keep a batch whose numbers were not finite, for a person to look at."""
        content = {
            "step": step,
            "epoch": data.epoch,
            "number": data.number,
            "indices": data.indices.tolist(),
            "losses": {name: repr(value) for name, value in losses.items()},
            "input_ids": [batch.input_ids.tolist() for batch in data.micro_batches],
        }
        share = f"-rank-{self.rank}" if ranks().size > 1 else ""
        path = self.folder / "refused" / f"step-{step:07d}{share}.json"
        write_json(path, content)
        say(f"Step {step}: loss or gradient not finite, update skipped; the batch is in {path}")

    def _text(self, row: dict[str, Any], progress: float) -> str:
        shown = [f"{min(progress, 1):.1%}", f"step {row['step']}"]
        if "phase" in row:
            shown.append(f"phase {row['phase']}")
        endings = ("loss", "accuracy", "perplexity")
        names = [name for name in row if "split" in row or name.endswith(endings)]
        names = [
            name for name in names if name not in ("step", "tokens", "phase", "seconds", "split")
        ]
        shown += [f"{name} {row[name]:.3f}" for name in names]
        if row.get("tokens_per_second"):
            shown.append(f"{row['tokens_per_second']:,.0f} tokens/s")
            left = row["seconds"] * (1 - progress) / max(progress, 1e-9)
            shown.append(f"{duration(left)} left")
        text = "  ".join(shown)
        return f"[{row['split']}] {text}" if "split" in row else text


def read_metrics(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a ``metrics.jsonl``; a last line cut by a kill is passed over.

    Raises:
        DataError: if another line is broken.
    """
    if not path.exists():
        return
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"not valid JSON ({error}).", path=path, line=number) from error
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            raise DataError("not a row of ours: it has no step.", path=path, line=number)
        yield row


def _line(row: dict[str, Any]) -> str:
    # JSON has no NaN; a loss that is not finite is written as null.
    clean = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    return json.dumps(clean, allow_nan=False) + "\n"


def _tensorboard_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tensorboard", "track", "training.tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))
