"""Downstream tasks: how labelled data is read, encoded, predicted from and scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gloze.tasks.choice import Choice
from gloze.tasks.classification import Classification
from gloze.tasks.multilabel import Multilabel
from gloze.tasks.ranking import Ranking
from gloze.tasks.regression import Regression
from gloze.tasks.span import Span
from gloze.tasks.tagging import Tagging

if TYPE_CHECKING:
    from gloze.tasks.task import Task

TASKS: dict[str, type[Task[Any]]] = {
    "classification": Classification,
    "regression": Regression,
    "multilabel": Multilabel,
    "choice": Choice,
    "ranking": Ranking,
    "span": Span,
    "tagging": Tagging,
}
