"""One self-contained HTML page about a run: curves, tables, text, examples."""

from __future__ import annotations

from gloze.report.card import model_card
from gloze.report.finetune import write_finetune_report
from gloze.report.metrics import curves_from_metrics
from gloze.report.page import write_report
from gloze.report.pretraining import PretrainResult
from gloze.report.run import write_run_report
from gloze.report.sections import Curves, Example, Examples, Section, Series, Table, Text

__all__ = [
    "Curves",
    "Example",
    "Examples",
    "PretrainResult",
    "Section",
    "Series",
    "Table",
    "Text",
    "curves_from_metrics",
    "model_card",
    "write_finetune_report",
    "write_report",
    "write_run_report",
]
