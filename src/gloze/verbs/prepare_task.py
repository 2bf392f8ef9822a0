"""``gloze prepare --task``: one of several tasks of a preparation, on any machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.output import refuse_existing
from gloze.data.tasks import PrepareTasks
from gloze.text.read import ReadOptions
from gloze.tokenizers import load_segmenter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.data.encoding import SentenceMode
    from gloze.tokenizers.segmenters import Cut, Segmenter


@dataclass(frozen=True)
class TaskSummary:
    """What came of one task of several.

    Attributes:
        path: of its part.
        task, tasks: its number, and how many there are.
        missing: those not done yet.
    """

    path: Path
    task: int
    tasks: int
    missing: list[int]

    def __str__(self) -> str:
        lines = [f"Task {self.task} of {self.tasks} is done: {self.path}"]
        if self.missing:
            lines.append(f"  {len(self.missing):,} are left, the first is {self.missing[0]}.")
        else:
            lines.append("Next: the same command without --task joins all parts.")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def prepare_task(
    task: int,
    corpus: Sequence[str | Path],
    *,
    tokenizer: str | Path,
    output: str | Path,
    tasks: int,
    workers: int = 1,
    sentences: SentenceMode = "rules",
    segmenter: str | Path | Segmenter | Cut | None = None,
    options: ReadOptions | None = None,
) -> TaskSummary:
    """Do one task of a preparation, on any machine that sees the corpus and ``output``'s folder.

    ``gloze.prepare`` with the same ``tasks`` joins the parts when all are done.

    Args:
        task: its number, from 1 to ``tasks``; one that is done already is not done again.
        corpus: as in ``gloze.prepare``.
        tokenizer: as in ``gloze.prepare``.
        output: the shards in the end; the part lies in a folder beside it.
        tasks: how many there are.
        workers: processes that encode.
        sentences: as in ``gloze.prepare``.
        segmenter: as in ``gloze.prepare``.
        options: as in ``gloze.prepare``.

    Raises:
        DataError: if the task's files or the tokenizer are missing or broken.
        ConfigError: if there is no such task, or ``output`` exists.
        WriteError: if the part cannot be written.
    """
    output = Path(output)
    refuse_existing(output, force=False, ours=())
    words, options = load_segmenter(segmenter), options or ReadOptions()
    shared = PrepareTasks.of(corpus, tokenizer, output, sentences, options, tasks, words)
    shared.do(task, workers=workers)
    return TaskSummary(shared.path(task), task, tasks, shared.missing())
