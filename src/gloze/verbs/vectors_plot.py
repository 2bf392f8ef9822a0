"""``gloze vectors plot``: words as points of a plane."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from gloze.core.errors import ConfigError, MissingExtraError
from gloze.core.files import new_file
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.interop.vector_tables import load_word_vectors
from gloze.report.scatter import Point, scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gloze.vectors.table import Floats, WordVectors

Projection = Literal["pca", "tsne", "umap"]
Places = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class VectorPlot:
    """The picture and what is in it.

    Attributes:
        path: the SVG file.
        method: of the projection.
        words: with their two coordinates.
        shown: share of the variance that the plane keeps; of PCA only.
    """

    path: Path
    method: Projection
    words: dict[str, tuple[float, float]]
    shown: float | None

    def __str__(self) -> str:
        kept = "" if self.shown is None else f" ({self.shown:.1%} of the variance)"
        return f"Drew {len(self.words):,} words by {self.method}{kept}: {self.path}"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def plot_vectors(
    vectors: str | Path,
    words: Sequence[str],
    output: str | Path,
    *,
    top: int = 10,
    method: Projection = "pca",
    seed: int = 0,
    force: bool = False,
) -> VectorPlot:
    """Draw words and their nearest ones in a plane, as SVG.

    Args:
        vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        words: each with its ``top`` nearest words in one color.
        output: the file to write.
        top: how many of each; 0 for the words alone.
        method: ``pca``; ``tsne`` and ``umap`` need the ``plot`` extra.
        seed: of t-SNE and UMAP.
        force: replace ``output`` if it exists.

    Raises:
        ConfigError: if ``output`` exists, a word has no vector, or fewer than three are drawn.
        MissingExtraError: if a library is not installed.
        DataError: if the vectors cannot be read.
        WriteError: if ``output`` cannot be written.
    """
    output = Path(output)
    refuse_existing(output, force=force)
    refuse_inputs(output, [vectors])
    table = load_word_vectors(vectors)
    groups = _groups(table, words, top)
    drawn = list(groups)
    if len(drawn) < 3:
        raise ConfigError(f"{len(drawn)} words make no picture: give three, or a higher --top.")
    units = table.unit(table.words.rows(drawn))
    places, shown = _PROJECTIONS[method](units, seed)
    points = [
        Point(word, float(x), float(y), groups[word], word in words)
        for word, (x, y) in zip(drawn, places, strict=True)
    ]
    with new_file(output, force=force) as temporary:
        temporary.write_text(scatter(points, f"{method}: {', '.join(words)}"), encoding="utf-8")
    return VectorPlot(output, method, {p.label: (p.x, p.y) for p in points}, shown)


def _groups(table: WordVectors, words: Sequence[str], top: int) -> dict[str, int]:
    """Return the words to draw, each with the number of the first word that it is near to."""
    groups = {word: number for number, word in enumerate(words) if table.row(word) >= 0}
    for number, word in enumerate(words):
        for near, _ in table.most_similar(word, (), top) if top else ():
            groups.setdefault(near, number)
    return groups


def _pca(units: Floats, seed: int) -> tuple[Places, float | None]:
    centered = units.astype(np.float64) - units.mean(axis=0)
    left, lengths, _ = np.linalg.svd(centered, full_matrices=False)
    places = (left * lengths)[:, :2]
    # An axis may point either way: its longest word is put on the positive side.
    places *= np.sign(places[np.abs(places).argmax(axis=0), np.arange(places.shape[1])])
    if places.shape[1] < 2:
        places = np.pad(places, ((0, 0), (0, 1)))
    total = float((lengths**2).sum())
    return places, float((lengths[:2] ** 2).sum()) / total if total else None


def _tsne(units: Floats, seed: int) -> tuple[Places, float | None]:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "plot", "--method tsne") from error
    perplexity = min(30.0, (len(units) - 1) / 3)
    made = TSNE(2, perplexity=perplexity, metric="cosine", init="random", random_state=seed)
    return made.fit_transform(units), None


def _umap(units: Floats, seed: int) -> tuple[Places, float | None]:
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingExtraError("umap-learn", "plot", "--method umap") from error
    near = min(15, len(units) - 1)
    made = UMAP(n_neighbors=near, metric="cosine", init="random", random_state=seed, n_jobs=1)
    return made.fit_transform(units), None


_PROJECTIONS = {"pca": _pca, "tsne": _tsne, "umap": _umap}
