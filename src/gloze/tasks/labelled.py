"""The labelled files of a fine-tuning: read, checked against each other, encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gloze.core.errors import ConfigError
from gloze.core.progress import say
from gloze.tasks.classification import NAME, learn_labels, number_labels
from gloze.tasks.encoding import EncodedExamples, encode_examples
from gloze.tasks.examples import Example, check_pairs, read_examples

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.encoders.transformer import TransformerEncoder
    from gloze.tasks.classification import ClassificationConfig
    from gloze.tasks.formats import Format
    from gloze.tokenizers import Tokenizer


@dataclass(frozen=True)
class Split:
    """One labelled file.

    Attributes:
        path: of the file.
        examples: as read.
        encoded: as ids.
    """

    path: Path
    examples: list[Example]
    encoded: EncodedExamples


@dataclass(frozen=True)
class LabelledData:
    """What a task is learned from and judged on.

    Attributes:
        labels: in the order of their numbers.
        pairs: whether examples are of two texts.
        splits: by name: ``train``, and ``dev`` and ``test`` if given.
    """

    labels: list[str]
    pairs: bool
    splits: dict[str, Split]


def read_splits(paths: dict[str, Path], layout: Format) -> dict[str, list[Example]]:
    """Read the files.

    Raises:
        ConfigError: if labels of this layout are no classes.
        DataError: for a file that cannot be used.
    """
    if layout.has_scores:
        raise ConfigError("The labels of this format are numbers on a scale, not classes.")
    return {name: read_examples(path, layout) for name, path in paths.items()}


def encode_splits(
    task: ClassificationConfig,
    encoder: TransformerEncoder,
    tokenizer: Tokenizer,
    paths: dict[str, Path],
    examples: dict[str, list[Example]],
) -> LabelledData:
    """Check and encode every split; labels are those of ``train``.

    Raises:
        ConfigError: if task or encoder cannot take these examples.
        DataError: if splits do not fit each other.
    """
    labels = learn_labels(examples["train"], paths["train"])
    task.check_labels(labels)
    pairs = examples["train"][0].text_b is not None
    splits = {}
    for name, path in paths.items():
        check_pairs(examples[name], pairs, f"{paths['train']} has")
        task.check(encoder, examples[name])
        encoded = encode_examples(
            NAME,
            examples[name],
            tokenizer,
            max_length=task.max_length,
            labels=number_labels(examples[name], labels, path),
        )
        splits[name] = Split(path, examples[name], encoded)
    if "dev" not in splits:
        say("No --dev file: there are no figures of unseen examples to go by while training.")
    return LabelledData(labels, pairs, splits)
