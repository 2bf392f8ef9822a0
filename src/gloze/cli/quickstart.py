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
    force: Annotated[bool, Parameter(negative="")] = False,
) -> QuickstartResult:
    """Run the whole path on text every machine has.

    Example: gloze quickstart -o quickstart

    Args:
        output: the folder to write: vocabulary, shards, runs and the report.
        force: replace the output if it exists.
    """
    from gloze.verbs.quickstart import quickstart as run

    return run(output, force=force)
