"""What ``gloze export`` turns into a graph, and how such a graph is judged."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import load, load_parts
from gloze.core.errors import ConfigError, DataError
from gloze.core.progress import say
from gloze.encoders.transformer import TransformerEncoder
from gloze.inference.agreement import cosines, vectors_of
from gloze.interop.onnx_run import Graph
from gloze.nn.pooling import TextVectors
from gloze.tasks.agreement import answers_agree
from gloze.tasks.lines import read_lines
from gloze.text.library_docs import read_library_docs
from gloze.text.sentences import split_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from gloze.nn.pooling import Pooling
    from gloze.tasks.model import TaskModel
    from gloze.tasks.task import Task
    from gloze.tokenizers import Tokenizer

_OF_WINDOWS = ("stride", "max_windows", "window_pooling", "max_question", "context")
_TEXTS, _AT_ONCE = 200, 32


@dataclass(frozen=True)
class Subject:
    """What is exported, and how a graph of it is judged.

    Attributes:
        encoder, tokenizer: of the model.
        end: how vectors are made, or the head.
        compare: a graph's file to its agreement, which the least is compared with, and figures.
        max_length: most tokens of a text.
        cutting: how longer texts are cut, where it is not at their end.
        about: what is known of it besides.
    """

    encoder: TransformerEncoder
    tokenizer: Tokenizer
    end: TextVectors | nn.Module
    compare: Callable[[Path], tuple[float, dict[str, float]]]
    max_length: int
    cutting: dict[str, Any]
    about: dict[str, Any]


def of_vectors(
    model: str | Path, pooling: Pooling | None, texts: str | Path | Sequence[str] | None
) -> Subject:
    """Return an encoder to be exported with its pooling."""
    # Shortest first, so that batches hold alike lengths.
    given = sorted(_read(texts), key=len)
    # Read twice: a model in use has laid its weights out for the processor.
    parts, source = load_parts(model), load(model)
    own = replace(source.vectors, pooling=pooling or source.vectors.pooling)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        expected, sequences = source.encode(given, pooling=own.pooling), source.sequences(given)
    # Both say how many texts were cut.
    for text in {str(each.message) for each in told}:
        say(f"To compare on, {text}")

    def compare(path: Path) -> tuple[float, dict[str, float]]:
        graph = Graph(path)
        alone, in_batches = (
            cosines(vectors_of(graph, sequences, at_once), expected) for at_once in (1, _AT_ONCE)
        )
        figures = {
            "lowest_cosine": float(alone.min()),
            "mean_cosine": float(alone.mean()),
            "lowest_in_batches": float(in_batches.min()),
        }
        return min(figures["lowest_cosine"], figures["lowest_in_batches"]), figures

    made = {"pooling": own.pooling, "normalize": own.normalize, "prompt": own.prompt}
    about = {**made, "task": None, "texts": len(given)}
    most = own.longest(source.max_length)
    return Subject(parts.encoder, parts.tokenizer, own, compare, most, {}, about)


def of_task(
    model: TaskModel,
    texts: str | Path | Sequence[str] | None,
    is_exact: bool,
    format: str | None,
    columns: str | dict[str, str] | None,
) -> Subject:
    """Return an encoder to be exported with the head of its task.

    Raises:
        ConfigError: if the head adds up what it reads of two sequences.
    """
    if getattr(model.task, "both_orders", False):
        raise ConfigError(
            "task.both_orders reads a pair in two sequences, and a graph takes one at a time. "
            "Fine-tune with task.both_orders=false for a model to be exported."
        )
    if isinstance(texts, str | Path):
        examples = list(model.task.reader(format, columns).read(Path(texts), needs_labels=False))
    else:
        examples = model.task.take(model.task.some_inputs(_read(texts), model.learned))
    judged = model.judge(examples)
    # Where the model is looked for, word vectors are refused.
    assert isinstance(model.encoder, TransformerEncoder)

    def compare(path: Path) -> tuple[float, dict[str, float]]:
        same, difference = answers_agree(model, judged, Graph(path))
        figures = {"same_answers": same, "largest_difference": difference}
        return min(same, 1 - difference) if is_exact else same, figures

    task = model.task
    made = {"pooling": None, "normalize": False, "prompt": ""}
    about = {**made, "task": task.kind, "texts": len(examples)}
    return Subject(
        *(model.encoder, model.tokenizer, model.head, compare),
        *(task.max_length, _cutting(task), about),
    )


def _cutting(task: Task[Any]) -> dict[str, Any]:
    """Return how a task cuts what is too long, if not at its end: no graph does that."""
    if task.long_text == "head":
        return {}
    names = _OF_WINDOWS if task.long_text == "windows" else ()
    settings = {name: getattr(task, name) for name in names if hasattr(task, name)}
    return {"long_text": task.long_text, **settings}


def _read(texts: str | Path | Sequence[str] | None) -> list[str]:
    """Return the texts to compare on."""
    if texts is None:
        paragraphs = [p for d in read_library_docs().documents for p in d.paragraphs]
        evenly = paragraphs[:: max(1, len(paragraphs) // _TEXTS)][:_TEXTS]
        return [split_sentences(paragraph)[0] for paragraph in evenly]
    if isinstance(texts, str | Path):
        texts = [text for _, text in read_lines(Path(texts)) if text.strip()]
    if not texts:
        raise DataError("there is no text to compare the graph and the model on.")
    return list(texts)
