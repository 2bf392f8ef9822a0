"""The page of an ablation: tables, bars, curves of held-out loss, and how to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gloze.report.ablation import DIFFERENCE_COLUMNS
from gloze.report.page import write_report
from gloze.report.sections import Curves, Example, Examples, Section, Series, Table, Text
from gloze.training.log import read_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gloze.report.ablation import AblationResult

# The horizontal axes: a column of the log, what it is shown in, and by how much it is divided.
_AXES = (("tokens", "tokens", 1.0), ("seconds", "minutes", 60.0))
_TOTAL = "loss"
# More lines than colors: those of the second turn are dashed.
_COLORS = 6
_READING = (
    "Each arm was pre-trained with the same budget and then fine-tuned on the same examples with "
    "the same seeds, in the same order.\n\n"
    "Figures are mean ± sample standard deviation over the seeds of fine-tuning, or, where an arm "
    "was pre-trained several times, over pre-trainings, each with the mean of its fine-tunings: "
    "fine-tunings of one pre-training have its luck in common.\n\n"
    "Two questions are asked of each difference to the first arm. p seeds: would trainings with "
    "other seeds differ so? It is Student's t test of the differences, seed by seed, and with "
    "three seeds it can say little. Of one pre-training an arm it speaks of the fine-tuning of "
    "these very models, not of another pre-training. p examples: would these models differ so on "
    "other examples? The answers of both arms to an example are exchanged at random a thousand "
    "times, those of all seeds together (Yeh 2000). Where answers cannot be exchanged it is left "
    "out. A difference that is to be believed passes both: p adjusted is the larger of the two, "
    "raised for the number of comparisons of this page (Holm 1979). Nothing is said where there is "
    "one seed alone.\n\n"
    "Tokens are those of an arm's own tokenizer, so arms with other tokenizers may have seen more "
    "or less text: passes over the corpus tell. Minutes are of this machine. FLOPs are those of "
    "the products, counted by formula, of real tokens alone; word vectors are not counted. "
    "Held-out losses can be compared between arms with the same tokenizer that are asked the same."
)


def table_text(result: AblationResult) -> str:
    """Return the tables as Markdown."""
    parts = [_markdown(*result.figures_rows())]
    if rows := result.difference_rows():
        parts.append(f"Against {result.arms[0].name}:\n\n{_markdown(DIFFERENCE_COLUMNS, rows)}")
    parts += [f"Failed: {arm}, {part}: {why}\n" for arm, part, why in result.failures()]
    return "\n".join(parts)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(header), ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in lines)


def write_ablation_report(result: AblationResult, logs: Mapping[str, Path]) -> None:
    """Write ``report.html``; an old one is replaced.

    Args:
        result: what there is so far.
        logs: the ``metrics.jsonl`` of each arm's first pre-training, by the name of the arm.

    Raises:
        DataError: if a line of a log is broken.
        WriteError: if the page cannot be written.
    """
    header, rows = result.figures_rows()
    sections: list[Section] = [Table(columns=header, rows=rows, heading="The arms")]
    if differences := result.difference_rows():
        heading = f"Against {result.arms[0].name}"
        sections.append(Table(columns=DIFFERENCE_COLUMNS, rows=differences, heading=heading))
    if failures := result.failures():
        columns = ("arm", "part", "reason")
        sections.append(Table(columns=columns, rows=failures, heading="What failed"))
    sections += [_bars(result)] if result.tasks else []
    sections += _curves(logs)
    sections += [Text(heading="How to read this", text=_READING), _arms(result)]
    write_report(result.path / "report.html", "gloze ablate", sections)


def _bars(result: AblationResult) -> Examples:
    return Examples(
        heading="Tasks, arm by arm",
        items=[
            Example(
                result.heading(task),
                [
                    (arm.name, arm.outcomes[task].spread.mean)
                    for arm in result.arms
                    if task in arm.outcomes
                ],
            )
            for task in result.tasks
        ],
        caption="Means; a bar is as long as the share it stands for.",
    )


def _arms(result: AblationResult) -> Table:
    return Table(
        heading="What the arms are",
        columns=("arm", "recipe or model", "pre-trained as"),
        rows=[(arm.name, arm.recipe, arm.trained_as) for arm in result.arms],
        caption=""
        if result.budget is None
        else f"Budget of each pre-training: {result.budget}. "
        "All settings are in ablation.toml, and in the recipe.toml of each run below arms.",
    )


def _curves(logs: Mapping[str, Path]) -> list[Curves]:
    """Return charts of every held-out loss: by tokens and by time, a line for each arm."""
    rows = {
        arm: [row for row in read_metrics(log) if row.get("split") == "valid"]
        for arm, log in logs.items()
    }
    names = sorted({name for some in rows.values() for row in some for name in _losses(row)})
    charts = []
    for name in names:
        for column, label, unit in _AXES:
            lines = {
                arm: [(r[column] / unit, r[name]) for r in some if _has(r, column, name)]
                for arm, some in rows.items()
            }
            series = [
                Series(arm, points, dashed=place >= _COLORS, color=place % _COLORS)
                for place, (arm, points) in enumerate(lines.items())
                if points
            ]
            if series:
                what = "word vectors" if name == _TOTAL else name.removesuffix("_loss")
                heading = f"Held-out loss of {what}, by {label}"
                charts.append(
                    Curves(series=series, heading=heading, x_label=label, y_label="nats a label")
                )
    return charts


def _losses(row: Mapping[str, Any]) -> list[str]:
    """Return the names of the losses of a row; the total of several objectives is none."""
    own = [name for name in row if name.endswith("_loss") and name != "epoch_loss"]
    # Word vectors have one objective, and no name for its loss.
    return own or [name for name in (_TOTAL,) if name in row]


def _has(row: Mapping[str, Any], *names: str) -> bool:
    return all(isinstance(row.get(name), int | float) for name in names)
