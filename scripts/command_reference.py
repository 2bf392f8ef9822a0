"""Write docs/cli.md: what every verb prints with --help."""

from __future__ import annotations

from pathlib import Path

from gloze.cli import VERBS, help_text, verbs_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
WIDTH = 90

HEAD = """\
# The command line

Printed by the program itself (`make docs`); a test compares this page with it.

Results go to standard output, progress and messages to standard error. Exit codes:

| code | meaning |
|---|---|
| 0 | done |
| 1 | a bug of ours: the traceback is shown |
| 2 | wrong usage, an impossible recipe, a missing extra, or more memory needed than there is |
| 3 | input data that cannot be used: the message names file and line |
| 4 | cannot write: disk full, no rights |
| 5 | training diverged |
| 75 | stopped early by SIGTERM; training can be resumed |
| 130 | stopped by Ctrl-C; training can be resumed |
"""


def reference() -> str:
    """Return the page."""
    sections = [HEAD, _section()]
    for verb in VERBS:
        sections.append(_section(verb))
        sections += [_section(verb, own) for own in verbs_of(verb)]
    return "\n".join(sections)


def _section(*verbs: str) -> str:
    return f"## {' '.join(('gloze', *verbs))}\n\n```text\n{help_text(*verbs, width=WIDTH)}```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"wrote {PAGE}")
