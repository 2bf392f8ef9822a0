"""A trained task put to work: answers and figures for examples and files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from gloze.core.devices import float32_products, uses_bfloat16
from gloze.core.errors import ConfigError, DataError
from gloze.core.memory import keep_freed_memory
from gloze.core.ranges import ranges
from gloze.data.collate import collate, cut_parts
from gloze.encoders.transformer import TransformerEncoder
from gloze.nn.packed import pack
from gloze.nn.readout import Readout, ReadoutConfig
from gloze.tasks import TASKS
from gloze.tasks.learned import Judged, Learned, their_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from gloze.core.batch import Batch, Ints
    from gloze.core.devices import Precision
    from gloze.encoders.kinds import AnyEncoder
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tasks.learned import Rows
    from gloze.tasks.task import Task
    from gloze.tokenizers import Tokenizer

# A CPU gains nothing from large batches and wastes work on unlike lengths; a GPU wants much to do.
_TOKENS_ON_CPU, _TOKENS_ON_GPU = 2048, 32768
_ARCHITECTURES = {
    "BertForTokenClassification": "tagging",
    "BertForQuestionAnswering": "span",
    "BertForMultipleChoice": "choice",
}


class TaskModel:
    """Encoder, head and tokenizer of a fine-tuned model, and what its task learned.

    Computes on the encoder's device, without dropout, in float32 unless :meth:`laid_out` says
    otherwise; then an answer hardly depends on what else is asked at the same time (less than
    1e-5).

    Args:
        encoder: with its weights.
        head: of the task.
        tokenizer: of the encoder.
        task: its settings, every ``auto`` decided.
        learned: from the examples trained on.
        readout: what the head reads of the encoder.
    """

    def __init__(
        self,
        encoder: AnyEncoder,
        head: nn.Module,
        tokenizer: Tokenizer,
        task: Task[Any],
        learned: Learned,
        readout: ReadoutConfig,
    ) -> None:
        self.encoder, self.head, self.tokenizer = encoder.eval(), head.eval(), tokenizer
        self.task, self.learned, self.readout = task, learned, readout

    @property
    def labels(self) -> list[str]:
        """In the order of their numbers; none if the task has none."""
        return list(self.learned.labels)

    def to(self, device: torch.device) -> TaskModel:
        """Move the weights to ``device``; return self."""
        self.encoder.to(device)
        self.head.to(device)
        return self

    def laid_out(self, device: torch.device, precision: Precision = "float32") -> TaskModel:
        """Lay the encoder's weights out for answering, for good; return self.

        On a CPU in the processor's own order; in half precision they take half the memory, while
        the head stays in float32. A table of word vectors stays as it is.

        Args:
            device: to compute on.
            precision: ``float32``; ``bfloat16``; ``auto``, which is bf16 where the hardware is
                fast at it.
        """
        self.to(device)
        if not isinstance(self.encoder, TransformerEncoder):
            # A row is found as soon whatever it is made of.
            return self
        if uses_bfloat16(device, precision):
            self.encoder.to(torch.bfloat16)
            # Heads that read through the pooler compute it as their own.
            self.encoder.pooler.float()
        if device.type == "cpu":
            keep_freed_memory()
            pack(self.encoder.layers)
            if self.encoder.config.direction == "two_way":
                pack(self.encoder.backward_layers)
        return self

    def to_config(self) -> dict[str, Any]:
        """Return what ``config.json`` says of the task, for us and for Hugging Face."""
        values = {"architectures": ["BertModel"], **self.task.their_config(self.learned)}
        if self.encoder.config.direction != "bidirectional":
            del values["architectures"]
        elif not self.readout.is_plain:
            # Only their bare encoder computes the same then.
            values["architectures"] = ["BertModel"]
        learned = asdict(self.learned)
        if list(values.get("id2label", {}).values()) == self.labels:
            # Said once: who renames a label there renames it here.
            del learned["labels"]
        own = {"task": self.task.kind, **self.task.to_dict()}
        return {**values, "gloze": {**own, "learned": learned, "readout": asdict(self.readout)}}

    def predict(self, inputs: Sequence[Any]) -> list[Any]:
        """Return an answer for each input, in their order.

        Args:
            inputs: what the task takes: texts, pairs of texts, lists of words.
        """
        examples = self.task.take(inputs)
        return self.task.answers(self.judge(examples)) if examples else []

    def encode(self, examples: Sequence[Any], path: Path | None = None) -> EncodedExamples:
        """Return the examples as ids, cut to the length of training.

        Args:
            examples: of the task's kind.
            path: of their file, if their labels are wanted.

        Raises:
            ConfigError: if they are not of the kind of training.
        """
        self.task.check(self.encoder.config, examples, self.learned)
        return self.task.encode(examples, self.tokenizer, self.learned, path=path)

    def judge(self, examples: Sequence[Any], encoded: EncodedExamples | None = None) -> Judged[Any]:
        """Return the examples with their scores.

        Args:
            examples: of the task's kind.
            encoded: the same as ids, if they are at hand.
        """
        if encoded is None:
            encoded = self.encode(examples)
        device = next(self.encoder.parameters()).device
        head: Any = self.head

        def scores(batch: Batch) -> Tensor:
            own = batch.to(device)
            with float32_products(device):
                found: Tensor = head.scores([s.float() for s in self.encoder(own)], own)
            return found

        at_once = _TOKENS_ON_CPU if device.type == "cpu" else _TOKENS_ON_GPU
        rows = score_rows(scores, encoded, head.rows_per, at_once)
        return Judged(
            examples=examples, encoded=encoded, learned=self.learned, head=self.head, rows=rows
        )

    def figures(
        self, examples: Sequence[Any], path: Path, encoded: EncodedExamples | None = None
    ) -> dict[str, Any]:
        """Return how good the answers to labelled examples are.

        Raises:
            DataError: if a label of the file at ``path`` was not there in training.
        """
        return self.task.figures(self.judge(examples, encoded), path)


@torch.inference_mode()
def score_rows(
    scores: Callable[[Batch], Tensor],
    source: EncodedExamples,
    rows_per: str,
    max_tokens: int = 8192,
) -> Rows:
    """Return the scores of all samples in the order of the source.

    Args:
        scores: of a batch, [rows, width].
        source: of the samples.
        rows_per: what a row is of: ``sample``, ``sequence``, ``token`` or ``position`` asked about.
        max_tokens: of a batch; a longer sample stands alone.
    """
    counts = row_counts(source, rows_per)
    firsts = np.cumsum(counts) - counts
    # Alike lengths together, the longest first: memory is then known from the first batch.
    order = np.argsort(-source.all_lengths, kind="stable")
    result: Rows | None = None
    for first, last in cut_parts(source.all_lengths[order], max_tokens):
        batch = collate(source.samples(0, order[first:last]))
        rows = scores(batch).float().cpu().numpy()
        if result is None:
            result = np.zeros((int(counts.sum()), rows.shape[-1]), dtype=np.float32)
        result[ranges(firsts[batch.indices], counts[batch.indices])] = rows
    return np.zeros((0, 0), dtype=np.float32) if result is None else result


def row_counts(source: EncodedExamples, rows_per: str) -> Ints:
    """Return how many rows a head gives to each sample, [samples]."""
    if rows_per == "token":
        return source.all_lengths
    if rows_per == "position":
        return source.num_asked
    if rows_per == "sequence" and source.sizes is not None:
        return source.sizes
    return np.ones_like(source.all_lengths)


def kind_of_model(values: Any) -> str | None:
    """Return the task that a ``config.json`` is for, ours or Hugging Face's; None if for none."""
    if not isinstance(values, dict):
        return None
    own = values.get("gloze")
    if isinstance(own, dict) and "task" in own:
        return str(own["task"])
    classes = values.get("architectures")
    architecture = classes[0] if isinstance(classes, list) and classes else None
    if architecture == "BertForSequenceClassification":
        problem = values.get("problem_type")
        if problem == "multi_label_classification":
            return "multilabel"
        labels = values.get("id2label")
        is_one = problem == "regression" or (isinstance(labels, dict) and len(labels) == 1)
        return "regression" if is_one else "classification"
    return _ARCHITECTURES.get(str(architecture))


def read_task(
    values: dict[str, Any], max_length: int, path: Path
) -> tuple[Task[Any], Learned, ReadoutConfig]:
    """Return the task that a ``config.json`` describes, what it learned and what it reads.

    Args:
        values: of the file.
        max_length: most tokens of a sequence where the file does not say.
        path: of the file, for messages.

    Raises:
        DataError: if it describes none, or one that cannot be used.
    """
    kind = kind_of_model(values)
    if kind not in TASKS:
        raise DataError(
            "not a model of a task: it says of none what it was trained for."
            if kind is None
            else f"a model of the task {kind!r}, which is not known.",
            path=path,
            hint=f"gloze finetune makes one: {', '.join(TASKS)}.",
        )
    own = values.get("gloze")
    try:
        if own is None:
            return *TASKS[kind].from_theirs(values, max_length), ReadoutConfig()
        rest = {name: own[name] for name in own if name not in ("task", "learned", "readout")}
        # Plain constructors would take a text where a number belongs.
        task = TypeAdapter(TASKS[kind]).validate_python({"kind": kind, **rest})
        known = dict(own.get("learned", {}))
        if "labels" not in known and "id2label" in values:
            known["labels"] = their_labels(values)
        learned = TypeAdapter(Learned).validate_python(known)
        readout = TypeAdapter(ReadoutConfig).validate_python(own.get("readout", {}))
    except (ValidationError, ConfigError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"no usable description of the task: {reason:.300}.", path=path) from None
    return task, learned, readout


def build_head(
    encoder: AnyEncoder,
    task: Task[Any],
    learned: Learned,
    readout: ReadoutConfig,
    initializer_range: float = 0.02,
) -> Any:
    """Return the objective of a task on an encoder, its head of random weights.

    Raises:
        ConfigError: if the encoder has not the layers that ``readout`` names.
    """
    reads = Readout(encoder.state_sizes, readout, encoder.config.direction)
    return task.build(encoder, reads, learned, initializer_range)
