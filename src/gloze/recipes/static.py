"""Static word vectors: counts and their SVD, word2vec, GloVe."""

from __future__ import annotations

from gloze.config.vectors import VectorObjectivesConfig, VectorsConfig
from gloze.data.cooccurrence import CooccurrenceConfig
from gloze.encoders.lookup import LookupConfig
from gloze.objectives.counts import GloVeConfig, SVDConfig
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


def ppmi_svd() -> VectorsConfig:
    """Word vectors by SVD of the positive pointwise mutual information (Levy et al. 2015)."""
    return VectorsConfig(
        name="ppmi-svd",
        sampler=CooccurrenceConfig(size=5, weighting="dynamic"),
        objectives=VectorObjectivesConfig(svd=SVDConfig()),
    )


def glove() -> VectorsConfig:
    """Word vectors by weighted least squares on log counts (Pennington et al. 2014)."""
    return VectorsConfig(
        name="glove",
        sampler=CooccurrenceConfig(),
        encoder=LookupConfig(result="sum"),
        objectives=VectorObjectivesConfig(glove=GloVeConfig()),
        training=BlockTrainingConfig(epochs=25, learning_rate=0.05, final_learning_rate=0.05),
    )
