"""A trained classifier put to work: labels and probabilities for texts and files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gloze.core.devices import float32_products
from gloze.core.errors import ConfigError, DataError
from gloze.data.collate import collate_parts
from gloze.metrics.classification import ClassificationFigures, classification_figures
from gloze.tasks.classification import NAME, ClassificationConfig, Classifier, number_labels
from gloze.tasks.encoding import EncodedExamples, encode_examples
from gloze.tasks.examples import Example, check_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.encoders.transformer import TransformerEncoder
    from gloze.tokenizers import Tokenizer

Probabilities = npt.NDArray[np.float32]
MAX_BATCH_TOKENS = 8192


@dataclass(frozen=True)
class Prediction:
    """An answer.

    Attributes:
        label: the most probable one.
        probabilities: of every label, in the order of their numbers; they add up to 1.
    """

    label: str
    probabilities: dict[str, float]


class TextClassifier:
    """Encoder, head, tokenizer and labels of a fine-tuned model.

    Computes in float32 on the encoder's device, without dropout, so an answer hardly depends
    on what else is asked at the same time (less than 1e-5).

    Attributes:
        pairs: whether it was trained on pairs of texts; None if the folder does not say.
    """

    def __init__(
        self,
        encoder: TransformerEncoder,
        head: nn.Module,
        tokenizer: Tokenizer,
        labels: Sequence[str],
        config: ClassificationConfig,
        *,
        pairs: bool | None = None,
    ) -> None:
        self.encoder, self.head, self.tokenizer = encoder.eval(), head.eval(), tokenizer
        self.labels, self.config, self.pairs = list(labels), config, pairs

    @classmethod
    def from_config(
        cls, encoder: TransformerEncoder, tokenizer: Tokenizer, values: dict[str, Any], path: Path
    ) -> TextClassifier:
        """Return a classifier as ``config.json`` describes it, its head still random.

        A folder that Hugging Face wrote has no section of ours: it uses the pooler.

        Raises:
            DataError: if it describes no classifier.
        """
        labels = _read_labels(values.get("id2label"), path)
        own = values.get("gloze", {})
        try:
            known = {k: v for k, v in own.items() if k not in ("task", "pairs")}
            if "layers" in known:
                known["layers"] = tuple(known["layers"])
            limit = min(512, encoder.config.max_position_embeddings)
            config = ClassificationConfig(**{"max_length": limit, "pooling": "pooler", **known})
        except (TypeError, AttributeError, ConfigError) as error:
            raise DataError(f"the gloze section cannot be used: {error}.", path=path) from None
        head = Classifier(encoder, config, len(labels))
        return cls(encoder, head, tokenizer, labels, config, pairs=own.get("pairs"))

    def to_config(self) -> dict[str, Any]:
        """Return what ``config.json`` says of the head, for us and for Hugging Face."""
        values: dict[str, Any] = {
            "id2label": {str(number): label for number, label in enumerate(self.labels)},
            "label2id": {label: number for number, label in enumerate(self.labels)},
            "problem_type": "single_label_classification",
            "classifier_dropout": self.config.dropout,
            "gloze": {"task": NAME, "pairs": self.pairs, **asdict(self.config)},
        }
        if self.config.pooling != "pooler":
            # Their classifier always goes through the pooler; only their bare encoder is right.
            values["architectures"] = ["BertModel"]
        return values

    @property
    def positive(self) -> int:
        """Number of the label whose F1 is meant when there are two."""
        self.config.check_labels(self.labels)
        chosen = self.config.positive_label
        return 1 if chosen is None else self.labels.index(chosen)

    def predict(self, texts: Sequence[str] | Sequence[tuple[str, str]]) -> list[Prediction]:
        """Return an answer for each text, or each pair of texts, in their order."""
        if isinstance(texts, str):
            raise ConfigError("predict takes a list of texts; put the text into a list.")
        return self.answers(self.probabilities([_example(text) for text in texts]))

    def answers(self, probabilities: Probabilities) -> list[Prediction]:
        """Return the answer that each row of probabilities stands for."""
        return [
            Prediction(self.labels[int(best)], dict(zip(self.labels, row, strict=True)))
            for best, row in zip(probabilities.argmax(-1), probabilities.tolist(), strict=True)
        ]

    def probabilities(self, examples: Sequence[Example]) -> Probabilities:
        """Return the probability of each label for each example, [examples, labels]."""
        return self.judge(self.encode(examples))

    def encode(
        self, examples: Sequence[Example], labels: npt.NDArray[np.int64] | None = None
    ) -> EncodedExamples:
        """Return the examples as ids, cut to the length of training.

        Raises:
            ConfigError: if they are pairs and training had single texts, or the reverse.
        """
        self.config.check(self.encoder, examples)
        if self.pairs is not None:
            check_pairs(examples, self.pairs, "The model was trained on")
        return encode_examples(
            NAME, examples, self.tokenizer, max_length=self.config.max_length, labels=labels
        )

    def figures(
        self, examples: Sequence[Example], path: Path, encoded: EncodedExamples | None = None
    ) -> ClassificationFigures:
        """Return how good the answers to labelled examples are.

        Args:
            examples: with their labels.
            path: of their file, for messages.
            encoded: the same examples as ids, if they are at hand.

        Raises:
            DataError: if a label of the file at ``path`` was not there in training.
        """
        labels = number_labels(examples, self.labels, path)
        probabilities = self.judge(self.encode(examples) if encoded is None else encoded)
        right = probabilities[np.arange(len(labels)), labels]
        return classification_figures(
            labels,
            probabilities.argmax(-1),
            num_labels=len(self.labels),
            positive=self.positive,
            loss=float(-np.log(np.maximum(right.astype(np.float64), 1e-45)).mean()),
        )

    @torch.inference_mode()
    def judge(self, source: EncodedExamples) -> Probabilities:
        """Return the probability of each label for each encoded example, [examples, labels]."""
        device = next(self.encoder.parameters()).device
        head, lengths = cast("Classifier", self.head), source.all_lengths
        result = np.zeros((len(lengths), len(self.labels)), dtype=np.float32)
        # Alike lengths together, the longest first: memory is then known from the first batch.
        samples = source.samples(0, np.argsort(-lengths, kind="stable"))
        for batch in collate_parts(samples, MAX_BATCH_TOKENS):
            own = batch.to(device)
            with float32_products(device):
                logits = head.logits(self.encoder(own), own)
            result[batch.indices] = logits.float().softmax(-1).cpu().numpy()
        return result


def _example(text: str | Sequence[str]) -> Example:
    parts = [text] if isinstance(text, str) else text
    if (
        not isinstance(parts, list | tuple)
        or not 1 <= len(parts) <= 2
        or not all(isinstance(part, str) for part in parts)
    ):
        raise ConfigError(f"predict takes texts, or pairs of texts, not {text!r:.80}.")
    return Example(*parts)


def _read_labels(id2label: Any, path: Path) -> list[str]:
    count = len(id2label) if isinstance(id2label, dict) else 0
    if count < 2 or set(id2label) != {str(number) for number in range(count)}:
        raise DataError(
            "not a classifier: id2label does not name its labels.",
            path=path,
            hint="gloze finetune classification makes one.",
        )
    return [str(id2label[str(number)]) for number in range(count)]
