"""Judgements of each layer's vectors: how they spread in space, and what can be read from them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gloze.core.errors import DataError
from gloze.core.rng import generator
from gloze.metrics.statistics import Spread, spread
from gloze.probes.logistic import LogisticRegression
from gloze.probes.search import unit_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gloze.inference.model import Model

MAX_SENTENCES = 1000
_TOKENS = 2000
_TEXTS_AT_ONCE = 32
_HELD_OUT = 0.2


@dataclass(frozen=True)
class Anisotropy:
    """How alike the vectors of words are that have nothing to do with each other.

    Attributes:
        layers: for each, from the embeddings up, the mean cosine of pairs of tokens from
            different sentences: mean and deviation over the seeds.
        sentences: that were drawn.
        pairs: that were compared, by the seed that found fewest of those asked for.
    """

    layers: list[Spread]
    sentences: int
    pairs: int


@dataclass(frozen=True)
class Probe:
    """What a logistic regression reads from the mean of a text's frozen vectors.

    Attributes:
        layers: for each, from the embeddings up, the accuracy on texts held out: mean and
            deviation over the seeds.
        most_frequent: accuracy of always saying the most frequent label, likewise.
        examples: that were given.
        labels: different ones.
    """

    layers: list[Spread]
    most_frequent: Spread
    examples: int
    labels: int


def anisotropy(
    model: Model, sentences: Iterable[str], *, seeds: Sequence[int], pairs: int = 1000
) -> Anisotropy:
    """Return the mean cosine of random pairs of tokens (Ethayarajh 2019, section 3.4).

    From at most :data:`MAX_SENTENCES` sentences, drawn from all with equal chances, 2,000 tokens
    are drawn; each seed pairs some of them. Where most are of one sentence pairs may be fewer than
    asked for.

    Raises:
        DataError: if there are no two sentences with tokens, or a seed finds no pair.
    """
    drawn = _draw(sentences, seeds[0])
    _, lengths = model.tokenizer.encode(drawn)
    if (lengths > 0).sum() < 2:
        raise DataError("two sentences are needed to compare words of different ones.")
    chosen = _choose(lengths, seeds[0])
    owners = np.repeat(np.arange(len(drawn)), lengths)[chosen]
    paired = [_pairs(owners, seed, pairs) for seed in seeds]
    fewest = min(left.size for left, _ in paired)
    if not fewest:
        raise DataError(
            "no pair of words of different sentences was found: nearly all words are in one.",
            hint="Give the text line by line, a sentence each.",
        )
    vectors = _vectors_of(model, drawn, chosen - (np.cumsum(lengths) - lengths)[owners], owners)
    means = np.stack([_mean_cosines(vectors, left, right) for left, right in paired])
    return Anisotropy([spread(each.tolist()) for each in means.T], len(drawn), fewest)


def _vectors_of(
    model: Model,
    texts: Sequence[str],
    places: npt.NDArray[np.int64],
    owners: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    """Return the vectors of some tokens of some texts at length 1, [layers, tokens, size]."""
    layers = tuple(range(model.encoder.config.num_hidden_layers + 1))
    wanted = np.unique(owners)
    found = []
    for block in np.array_split(wanted, -(-len(wanted) // _TEXTS_AT_ONCE)):
        features = model.features([texts[number] for number in block], layers)
        for number, each in zip(block, features, strict=True):
            found.append(unit_length(each.vectors[:, places[owners == number]]))
    return np.concatenate(found, axis=1)


def _draw(sentences: Iterable[str], seed: int) -> list[str]:
    """Return a sample in which every sentence has the same chance (Vitter 1985, algorithm R)."""
    draw = generator("anisotropy sentences", seed)
    rest = iter(sentences)
    kept = list(islice(rest, MAX_SENTENCES))
    for number, sentence in enumerate(rest, len(kept)):
        place = int(draw.integers(number + 1))
        if place < MAX_SENTENCES:
            kept[place] = sentence
    return kept


def _choose(lengths: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    total = int(lengths.sum())
    draw = generator("anisotropy tokens", seed)
    return np.sort(draw.choice(total, min(total, _TOKENS), replace=False))


def _pairs(
    owners: npt.NDArray[np.int64], seed: int, pairs: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return pairs of tokens that are not of one sentence, as many as are asked for or are met."""
    draw = generator("anisotropy pairs", seed)
    left, right = draw.integers(len(owners), size=(2, 20 * pairs))
    apart = np.flatnonzero(owners[left] != owners[right])[:pairs]
    return left[apart], right[apart]


def _mean_cosines(
    vectors: npt.NDArray[np.float32], left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return for each layer the mean over pairs of tokens."""
    products = (vectors[:, left] * vectors[:, right]).sum(axis=-1, dtype=np.float64)
    return products.mean(axis=1)


def probe(
    model: Model, texts: Sequence[str], labels: Sequence[str], *, seeds: Sequence[int]
) -> Probe:
    """Return the accuracy of a logistic regression on each layer's mean vectors.

    For each seed a fifth of the texts is held out.

    Raises:
        DataError: if there are under ten texts, or all have one label.
    """
    names = sorted(set(labels))
    if len(names) < 2 or len(texts) < 10:
        raise DataError(
            f"a probe needs two labels and ten texts; there are {len(names)} and {len(texts)}."
        )
    numbers = np.array([names.index(label) for label in labels])
    layers = tuple(range(model.encoder.config.num_hidden_layers + 1))
    found = model.features(texts, layers, pooling="mean")
    vectors = np.stack([each.vectors for each in found], axis=1)
    figures, baseline = [], []
    for seed in seeds:
        order = generator("probe", seed).permutation(len(texts))
        held = max(1, round(_HELD_OUT * len(texts)))
        test, train = order[:held], order[held:]
        commonest = np.bincount(numbers[train]).argmax()
        baseline.append(float((numbers[test] == commonest).mean()))
        figures.append([_accuracy(layer, numbers, train, test, len(names)) for layer in vectors])
    by_layer = [spread(list(of)) for of in zip(*figures, strict=True)]
    return Probe(by_layer, spread(baseline), len(texts), len(names))


def _accuracy(
    vectors: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    train: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    num_labels: int,
) -> float:
    fitted = LogisticRegression().fit(vectors[train], labels[train], num_labels)
    return float((fitted.predict(vectors[test]) == labels[test]).mean())
