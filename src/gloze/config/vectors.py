"""The typed tree of settings of static word vectors."""

from __future__ import annotations

from dataclasses import dataclass, field

from gloze.core.errors import ConfigError
from gloze.core.settings import Settings
from gloze.data.window import WindowConfig
from gloze.encoders.lookup import LookupConfig
from gloze.objectives.word2vec import CBOWConfig, SkipGramConfig
from gloze.tokenizers import TokenizerConfig
from gloze.training.blocks import BlockTrainingConfig


@dataclass(frozen=True, kw_only=True)
class VectorObjectivesConfig(Settings):
    """What word vectors are learned by; one of them."""

    skipgram: SkipGramConfig | None = None
    cbow: CBOWConfig | None = None

    def items(self) -> list[tuple[str, SkipGramConfig]]:
        """Return the name and settings of the one that is on."""
        pairs = [("skipgram", self.skipgram), ("cbow", self.cbow)]
        return [(name, config) for name, config in pairs if config is not None]


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
    sampler: WindowConfig = field(default_factory=WindowConfig)
    encoder: LookupConfig = field(default_factory=LookupConfig)
    objectives: VectorObjectivesConfig
    training: BlockTrainingConfig = field(default_factory=BlockTrainingConfig)

    def __post_init__(self) -> None:
        if len(self.objectives.items()) != 1:
            raise ConfigError(
                "Word vectors are learned by one objective: set objectives.skipgram or "
                "objectives.cbow, and the other to none."
            )
        if self.encoder.result == "sum" and self.objective.output == "hierarchical_softmax":
            raise ConfigError(
                "encoder.result=sum adds each word's two vectors, and hierarchical_softmax has "
                "outer vectors of nodes alone: set it to inner."
            )

    @property
    def objective(self) -> SkipGramConfig:
        """What the vectors are learned by; a :class:`CBOWConfig` for CBOW."""
        return self.objectives.items()[0][1]
