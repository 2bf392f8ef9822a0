"""``gloze quickstart`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from gloze.report.quickstart import QuickstartResult


def quickstart(
    *,
    output: Annotated[Path, Parameter(alias="-o")] = Path("quickstart"),
    seed: int = 0,
    seeds: int = 3,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> QuickstartResult:
    """Run the whole path on text every machine has.

    Example: gloze quickstart -o quickstart

    Args:
        output: the folder to write: vocabulary, shards, runs and the report.
        seed: of the pre-training, and the first of the fine-tunings.
        seeds: how many times each classifier is trained.
        force: replace the output if it exists.
    """
    from gloze.verbs.quickstart import quickstart as run

    return run(output, seed=seed, seeds=seeds, force=force)
