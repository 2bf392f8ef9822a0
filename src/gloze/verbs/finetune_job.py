"""What a fine-tuning was given, and what follows from it under some settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gloze.checkpoint import check_language_model, find_model, for_task
from gloze.core.errors import ConfigError
from gloze.encoders.lstm import LSTMEncoder
from gloze.interop.sentence_transformers import tuned_pooling
from gloze.tasks.labelled import LabelledData, encode_splits

if TYPE_CHECKING:
    from pathlib import Path

    from gloze.checkpoint import AnyParts
    from gloze.config.finetuning import FinetuneConfig
    from gloze.tasks.learned import Learned


@dataclass(frozen=True)
class Job:
    """What all seeds of a fine-tuning share.

    Attributes:
        model: to start from.
        config: the recipe, every ``auto`` decided.
        data: to learn from and to be judged on.
        init_embeddings: word vectors to begin with, for the tokens they have.
    """

    model: str | Path
    config: FinetuneConfig
    data: LabelledData
    init_embeddings: Path | None = None


@dataclass(frozen=True)
class Given:
    """Model and labelled data, whatever the settings.

    Attributes:
        model: to start from.
        parts: the same, loaded.
        paths: of the labelled files, by split.
        examples: in them.
        metric: what their layout is judged by; None if it does not say.
        init_embeddings: word vectors, if any.
    """

    model: str | Path
    parts: AnyParts
    paths: dict[str, Path]
    examples: dict[str, list[Any]]
    metric: str | None
    init_embeddings: Path | None = None
    _encoded: dict[str, LabelledData] = field(default_factory=dict)

    def job(self, config: FinetuneConfig) -> Job:
        """Return the fine-tuning under these settings; examples are encoded once for a task's.

        Raises:
            ConfigError: if the task, or the encoder, cannot take the examples, or the encoder has
                not the layers that are to be read.
            DataError: if the files do not fit each other.
        """
        config = self._resolved(config)
        config.readout.numbers(self.parts.encoder.state_sizes)
        key = repr(config.task)
        if key not in self._encoded:
            # One at a time: those of all trials of a search may not fit into memory.
            self._encoded.clear()
            self._encoded[key] = self._encode(config, self.paths, self.examples)
        return Job(self.model, config, self._encoded[key], self.init_embeddings)

    def job_of(
        self, config: FinetuneConfig, train: list[Any], dev: list[Any], learned: Learned
    ) -> Job:
        """Return the fine-tuning on a part of the training file, another part of it held out.

        The path of ``dev`` is that of ``train``.
        """
        config = self._resolved(config)
        examples = {**self.examples, "train": train, "dev": dev}
        data = self._encode(config, self.paths, examples, learned)
        return Job(self.model, config, data, self.init_embeddings)

    def _resolved(self, config: FinetuneConfig) -> FinetuneConfig:
        task = config.task
        if self.parts.vectors is not None:
            self._refuse_layers(config)
        if config.lm_weight:
            check_language_model(self.parts)
        encoder = self.parts.encoder
        # No other has a pooler to be read through.
        is_plain = config.is_plain and encoder.config.direction == "bidirectional"
        if is_plain:
            task = task.suited(tuned_pooling(find_model(self.model)))
        elif isinstance(encoder, LSTMEncoder):
            task = task.suited("concat")
        elif config.is_plain and self.parts.vectors is None:
            task = task.suited("last")
        return replace(config, task=task.resolve(is_plain=is_plain, metric=self.metric))

    def _refuse_layers(self, config: FinetuneConfig) -> None:
        """Refuse what is about an encoder's layers, of which a table of words has none."""
        if config.training.gradient_checkpointing:
            raise ConfigError(
                "training.gradient_checkpointing does nothing here: word vectors have no layers."
            )
        if self.init_embeddings is not None:
            raise ConfigError(
                "--init-embeddings fills the table of an encoder, and --model is a table of word "
                "vectors itself: give one of them."
            )

    def _encode(
        self,
        config: FinetuneConfig,
        paths: dict[str, Path],
        examples: dict[str, list[Any]],
        learned: Learned | None = None,
    ) -> LabelledData:
        parts = for_task(self.parts, config.encoder.rates)
        return encode_splits(config.task, parts.encoder, parts.tokenizer, paths, examples, learned)
