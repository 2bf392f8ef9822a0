"""Static word vectors: word2vec."""

from __future__ import annotations

from gloze.config.vectors import VectorObjectivesConfig, VectorsConfig
from gloze.objectives.word2vec import CBOWConfig, SkipGramConfig
from gloze.training.blocks import BlockTrainingConfig


def skip_gram() -> VectorsConfig:
    """Word vectors by skip-gram with negative sampling (Mikolov et al. 2013b)."""
    return VectorsConfig(
        name="skip-gram", objectives=VectorObjectivesConfig(skipgram=SkipGramConfig())
    )


def skip_gram_hs() -> VectorsConfig:
    """Word vectors by skip-gram with hierarchical softmax (Mikolov et al. 2013a)."""
    objective = SkipGramConfig(output="hierarchical_softmax")
    return VectorsConfig(name="skip-gram-hs", objectives=VectorObjectivesConfig(skipgram=objective))


def cbow() -> VectorsConfig:
    """Word vectors by CBOW with negative sampling (Mikolov et al. 2013a, 2013b)."""
    return VectorsConfig(
        name="cbow",
        objectives=VectorObjectivesConfig(cbow=CBOWConfig()),
        training=BlockTrainingConfig(learning_rate=0.05),
    )


def cbow_hs() -> VectorsConfig:
    """Word vectors by CBOW with hierarchical softmax (Mikolov et al. 2013a)."""
    objective = CBOWConfig(output="hierarchical_softmax")
    return VectorsConfig(
        name="cbow-hs",
        objectives=VectorObjectivesConfig(cbow=objective),
        training=BlockTrainingConfig(learning_rate=0.05),
    )
