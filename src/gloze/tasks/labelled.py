"""The labelled files of a fine-tuning: read, checked against each other, encoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gloze.core.errors import ConfigError
from gloze.core.progress import say
from gloze.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gloze.encoders.kinds import AnyEncoder
    from gloze.tasks.encoded import EncodedExamples
    from gloze.tasks.learned import Learned
    from gloze.tasks.reader import Reader
    from gloze.tasks.task import Task
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
    examples: Sequence[Any]
    encoded: EncodedExamples


@dataclass(frozen=True)
class LabelledData:
    """What a task is learned from and judged on.

    Attributes:
        learned: from the examples to train on.
        splits: by name: ``train``, and ``dev`` and ``test`` if given.
    """

    learned: Learned
    splits: dict[str, Split]


def read_splits(reader: Reader[Any], paths: dict[str, Path]) -> dict[str, list[Any]]:
    """Read the files.

    Raises:
        ConfigError: for standard input: a run notes its files, and may read them again.
        DataError: for a file that cannot be used.
    """
    for name, path in paths.items():
        if str(path) == STDIN:
            raise ConfigError(
                f"--{name} -: standard input cannot be read here, since a run must find its data "
                "again: name a file."
            )
    return {name: list(reader.read(path)) for name, path in paths.items()}


def encode_splits(
    task: Task[Any],
    encoder: AnyEncoder,
    tokenizer: Tokenizer,
    paths: dict[str, Path],
    examples: dict[str, list[Any]],
    learned: Learned | None = None,
) -> LabelledData:
    """Check and encode every split; what is learned is that of ``train`` if it is not given.

    Raises:
        ConfigError: if task or encoder cannot take these examples.
        DataError: if splits do not fit each other.
    """
    if task.is_tuned and "dev" not in paths:
        raise ConfigError("task.threshold is to be tuned on a --dev file, and none is given.")
    learned = learned or task.learn(examples["train"], paths["train"])
    splits = {}
    for name, path in paths.items():
        task.check(encoder.config, examples[name], learned, trained=f"{paths['train']} has")
        encoded = task.encode(examples[name], tokenizer, learned, path=path)
        splits[name] = Split(path, examples[name], encoded)
    if "dev" not in splits:
        say("No --dev file: there are no figures of unseen examples to go by while training.")
    return LabelledData(learned, splits)
