"""Downstream tasks: how labelled data is read, encoded, predicted from and scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gloze.tasks.classification import Classification

if TYPE_CHECKING:
    from gloze.tasks.task import Task

TASKS: dict[str, type[Task[Any]]] = {"classification": Classification}
