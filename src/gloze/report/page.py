"""Sections to one HTML file: no scripts, nothing fetched, light and dark, narrow screens too."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from gloze.core.files import write_text
from gloze.report.chart import NUM_COLORS, color_of, draw
from gloze.report.escape import safe
from gloze.report.sections import Curves, Examples, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.report.sections import Cell, Example, Section

# Told apart by people who see red and green alike (Okabe and Ito 2008); lighter on dark ground.
_LIGHT = ("#0072b2", "#d55e00", "#007a5a", "#aa4499", "#8a6d00", "#444444")
_DARK = ("#56b4e9", "#ff9e5e", "#3fcf9f", "#e58fc4", "#f0e442", "#cccccc")

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fff; --soft: #f2f2f5; --rule: #d5d5dc;
  --dim: #5a5a63; @light }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececf1; --paper: #17171a; --soft: #232328; --rule: #3c3c45; --dim: #a9a9b5;
    @dark } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1000px; padding: 16px; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin: 0 0 .5rem; }
main { display: grid; gap: 28px 24px; grid-template-columns: repeat(2, minmax(0, 1fr)); }
section { grid-column: 1 / -1; min-width: 0; } section.half { grid-column: auto; }
@media (max-width: 760px) { section.half { grid-column: 1 / -1; } }
p { margin: 0 0 .7em; max-width: 70ch; } .dim { color: var(--dim); font-size: .88rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .94rem; }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; width: 100%; max-width: 620px; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--dim); fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .dashed { stroke-dasharray: 6 4; }
ul.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0;
  margin: 4px 0; font-size: .88rem; }
.key { display: inline-block; width: 22px; height: 0; border-top: 3px solid; margin: 0 6px 4px 0;
  vertical-align: middle; } .key.dashed { border-top-style: dashed; }
.case { background: var(--soft); border-radius: 6px; padding: 10px 12px; margin: 0 0 10px; }
.case p { margin: 0 0 4px; } .answer { display: grid; gap: 0 10px; font-size: .92rem;
  grid-template-columns: minmax(0, 9rem) 3.6rem minmax(0, 1fr); align-items: center; }
.bar { height: 8px; border-radius: 4px; background: var(--c0); min-width: 1px; }
"""


def write_report(path: Path, title: str, sections: Sequence[Section]) -> None:
    """Write a report as one HTML file that needs nothing else.

    All text is escaped: it may come from anywhere.

    Args:
        path: the file to write; an old one is replaced.
        title: of the page.
        sections: from top to bottom; charts stand side by side where there is room.

    Raises:
        WriteError: if the file cannot be written.
    """
    body = "\n".join(map(_section, sections))
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{safe(title)}</title>
<style>{_style()}</style>
</head>
<body>
<h1>{safe(title)}</h1>
<main>
{body}
</main>
</body>
</html>
"""
    write_text(path, page)


def _style() -> str:
    light = " ".join(f"--c{i}: {color};" for i, color in enumerate(_LIGHT))
    dark = " ".join(f"--c{i}: {color};" for i, color in enumerate(_DARK))
    rules = "".join(
        f".line.c{i}, .key.c{i} {{ stroke: var(--c{i}); border-color: var(--c{i}); }}\n"
        f".dot.c{i} {{ fill: var(--c{i}); }}\n"
        for i in range(NUM_COLORS)
    )
    return _STYLE.replace("@light", light).replace("@dark", dark) + rules


def _section(section: Section) -> str:
    heading = f"<h2>{safe(section.heading)}</h2>\n" if section.heading else ""
    caption = getattr(section, "caption", "")
    note = f'\n<p class="dim">{safe(caption)}</p>' if caption else ""
    kind = ' class="half"' if isinstance(section, Curves) else ""
    return f"<section{kind}>\n{heading}{_body(section)}{note}\n</section>"


@singledispatch
def _body(section: Section) -> str:
    raise AssertionError(f"no way to show {section!r}")


@_body.register
def _(section: Text) -> str:
    return "\n".join(f"<p>{safe(part)}</p>" for part in section.text.split("\n\n"))


@_body.register
def _(section: Table) -> str:
    is_number = [
        all(isinstance(row[i], int | float | None) for row in section.rows)
        for i in range(len(section.columns))
    ]
    marks = [' class="number"' if number else "" for number in is_number]
    head = "".join(
        f'<th scope="col"{m}>{safe(c)}</th>' for c, m in zip(section.columns, marks, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(f"<td{m}>{_cell(c)}</td>" for c, m in zip(row, marks, strict=True))
        + "</tr>"
        for row in section.rows
    )
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return f"{cell:,}" if isinstance(cell, int) else safe(cell)


@_body.register
def _(section: Curves) -> str:
    keys = "".join(
        f'<li><span class="key c{color_of(line, i)}{" dashed" if line.dashed else ""}"></span>'
        f"{safe(line.name)}</li>"
        for i, line in enumerate(section.series)
    )
    return f'{draw(section)}\n<ul class="legend">{keys}</ul>'


@_body.register
def _(section: Examples) -> str:
    return "\n".join(map(_case, section.items))


def _case(example: Example) -> str:
    answers = "".join(
        f'<span>{safe(name)}</span><span class="number">{share:.1%}</span>'
        f'<span class="bar" style="width: {min(max(share, 0), 1):.1%}"></span>'
        for name, share in example.answers
    )
    shown = f'<div class="answer">{answers}</div>' if answers else ""
    note = f'<p class="dim">{safe(example.note)}</p>' if example.note else ""
    return f'<div class="case"><p>{safe(example.text)}</p>{shown}{note}</div>'
