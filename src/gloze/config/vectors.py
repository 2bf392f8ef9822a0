"""The typed tree of settings of static word vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings, refuse_idle
from gloze.data.cooccurrence import CooccurrenceConfig
from gloze.data.window import WindowConfig
from gloze.encoders.lookup import LookupConfig
from gloze.objectives.counts import GloVeConfig, SVDConfig
from gloze.objectives.word2vec import CBOWConfig, SkipGramConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.blocks import BlockTrainingConfig

VectorObjective = SkipGramConfig | CBOWConfig | GloVeConfig | SVDConfig
# Each with the sampler it learns from.
_SAMPLERS = {
    "skipgram": "window",
    "cbow": "window",
    "glove": "cooccurrence",
    "svd": "cooccurrence",
}


@dataclass(frozen=True, kw_only=True)
class VectorObjectivesConfig(Settings):
    """What word vectors are learned by; one of them."""

    skipgram: SkipGramConfig | None = None
    cbow: CBOWConfig | None = None
    glove: GloVeConfig | None = None
    svd: SVDConfig | None = None

    def items(self) -> list[tuple[str, VectorObjective]]:
        """Return the name and settings of the one that is on."""
        found = [(name, getattr(self, name)) for name in _SAMPLERS]
        return [(name, config) for name, config in found if config is not None]


@dataclass(frozen=True, kw_only=True)
class VectorsConfig(Settings):
    """A recipe of word vectors: tokenizer, sampler, encoder, objective, training.

    Attributes:
        name: of the recipe.
        seed: everything random follows from it.
    """

    name: str
    seed: int = 0
    tokenizer: TokenizerConfig = field(
        default_factory=lambda: TokenizerConfig(kind="words", vocab_size=200_000)
    )
    sampler: Annotated[WindowConfig | CooccurrenceConfig, Field(discriminator="kind")] = field(
        default_factory=WindowConfig
    )
    encoder: LookupConfig = field(default_factory=LookupConfig)
    objectives: VectorObjectivesConfig
    training: BlockTrainingConfig = field(default_factory=BlockTrainingConfig)

    def __post_init__(self) -> None:
        if len(self.objectives.items()) != 1:
            raise ConfigError(
                f"Word vectors are learned by one objective of {', '.join(_SAMPLERS)}: set the "
                "others to none."
            )
        [(name, objective)] = self.objectives.items()
        if self.sampler.kind != _SAMPLERS[name]:
            raise ConfigError(
                f"objectives.{name} learns from the {_SAMPLERS[name]} sampler, and sampler.kind "
                f"is {self.sampler.kind}."
            )
        if isinstance(objective, SVDConfig):
            names = (each for each in vars(self.training) if each != "threads")
            refuse_idle("training", self.training, names, "an SVD is computed, not trained.")
        if isinstance(objective, GloVeConfig):
            cure = "the threads of GloVe give the same bytes without it."
            refuse_idle("training", self.training, ("deterministic",), cure)
        is_tree = getattr(objective, "output", None) == "hierarchical_softmax"
        if self.encoder.result == "sum" and is_tree:
            raise ConfigError(
                "encoder.result=sum adds each word's two vectors, and hierarchical_softmax has "
                "outer vectors of nodes alone: set it to inner."
            )

    @property
    def objective(self) -> VectorObjective:
        """What the vectors are learned by."""
        return self.objectives.items()[0][1]
