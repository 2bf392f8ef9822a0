"""``gloze encode``: a file of texts becomes a file of vectors."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gloze.checkpoint.anything import load
from gloze.core.errors import ConfigError, DataError
from gloze.core.output import refuse_existing, refuse_inputs
from gloze.core.progress import Progress, duration, say
from gloze.inference.features import FeatureConfig, iterate_features
from gloze.inference.vector_file import write_npy, write_npz
from gloze.inference.word_features import iterate_word_features
from gloze.tasks.unlabelled import find_column, find_kind, iterate_texts
from gloze.tasks.writing import write_table
from gloze.vectors.table import WordVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from gloze.core.devices import Precision
    from gloze.inference.features import FeaturePooling, Features, Long
    from gloze.inference.states import Combine, Pieces
    from gloze.nn.pooling import TextVectors
    from gloze.tasks.unlabelled import GivenText
    from gloze.tasks.writing import TableWriter

_SUFFIXES = (".npy", ".npz", ".jsonl", ".parquet")
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class EncodeSummary:
    """What was encoded, and where it lies.

    Attributes:
        path: the file of vectors.
        texts: how many there were.
        vectors: how many were written.
        size: shape of each.
        counts: of tokens, unknown ones of those read, texts that were cut, tokens left out of
            them, texts that took several windows, texts without a token, words without a token.
        seconds: duration.
    """

    path: Path
    texts: int
    vectors: int
    size: tuple[int, ...]
    counts: dict[str, int]
    seconds: float

    def __str__(self) -> str:
        counts = self.counts
        tokens = counts["tokens"] - counts["left_out"]
        told = {
            "cut": f"texts were cut; {counts['left_out']:,} tokens behind the end were not read",
            "in_windows": "texts were read through several windows",
            "empty": "texts have no token",
            "lost_words": "words have no token; their vectors are 0",
        }
        size = " x ".join(map(str, self.size))
        lines = [
            f"Encoded {self.texts:,} texts, {tokens:,} tokens, in "
            f"{duration(self.seconds)} ({tokens / max(self.seconds, 1e-9):,.0f} tokens "
            f"a second), {counts['unknown'] / max(1, tokens):.2%} of them unknown.",
            *(f"  {counts[name]:,} {what}." for name, what in told.items() if counts[name]),
            f"Vectors: {self.path} ({self.vectors:,} of {size} numbers)",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON knows it."""
        return {**asdict(self), "path": str(self.path)}


def encode(
    model: str | Path,
    *,
    input: str | Path,
    output: str | Path,
    layers: Sequence[int] = (-1,),
    combine: Combine = "concat",
    pooling: FeaturePooling | None = None,
    words: bool = False,
    pieces: Pieces = "first",
    long: Long = "windows",
    stride: int | None = None,
    format: str | None = None,
    columns: str | dict[str, str] | None = None,
    precision: Precision = "float32",
    device: str = "auto",
    force: bool = False,
) -> EncodeSummary:
    """Write the vectors of all texts of a file, in their order and in bounded memory.

    Example: ``gloze.encode("runs/mini", input="texts.txt", output="vectors.npy")``

    Args:
        model: a model or run folder, ours or in Hugging Face layout, a hub name, or an ELMo as
            published; or word vectors: a folder of ours, a run, or a file of word2vec or GloVe.
        input: a text a line, or TSV, CSV, JSONL or Parquet; plain or compressed; ``-`` is
            standard input.
        output: ``.npy`` (one array), ``.npz`` (arrays), ``.jsonl`` or ``.parquet`` (the rows of
            the input with vectors added).
        layers: 0 is the embeddings, 1 the first layer, -1 the last.
        combine: several layers: concat, sum, mean, or stack, which keeps them apart.
        pooling: mean, cls, max, first_last, or none for the vectors of tokens; of word vectors
            mean, idf, counts or tf-idf (bags of words); by default that of a folder of
            sentence-transformers, else mean; none with ``words``.
        words: a vector for each word: those in a table's column ``words``, which holds lists of
            them, or else those between spaces.
        pieces: a word's vector: its first token's, or the mean of all its tokens'.
        long: texts over the model's length: read through windows, or cut.
        stride: of windows in tokens; by default half a window.
        format: of the input: lines, tsv, csv, jsonl, parquet; by default its name tells.
        columns: ``text=NAME`` of a column of texts, ``words=NAME`` of one of lists of words.
        precision: float32; bfloat16, faster where the hardware has it; auto.
        device: auto, cpu, cuda or cuda:N.
        force: replace the output if it exists.

    Raises:
        ConfigError: for a choice there is not, or if the output exists.
        DataError: naming file, line and column of the first thing that is wrong.
        WriteError: if the output cannot be written.
    """
    output, source = Path(output), Path(input)
    column, kind = find_column(columns), find_kind(source, format)
    by_words = words or (column is not None and column[0] == "words")
    wanted = pooling or ("none" if by_words else "mean")
    config = FeatureConfig(
        layers=tuple(layers), combine=combine, pooling=wanted, pieces=pieces, long=long,
        words=words or (by_words and wanted == "none"), stride=stride,
    )  # fmt: skip
    refuse_inputs(output, [source])
    _check_output(output, config, force=force)
    loaded = load(model, precision=precision, device=device)
    given, again = itertools.tee(iterate_texts(source, kind, column, words=words))
    alone = (text.text for text in again)
    if isinstance(loaded, WordVectors):
        found = iterate_word_features(loaded, alone, config)
    else:
        if pooling is None and not by_words:
            config = replace(config, pooling=loaded.vectors.pooling)
        if config.pooling != "none":
            _tell_left_out(loaded.vectors)
        found = iterate_features(loaded, alone, config)
    counts: Counter[str] = Counter()
    size: tuple[int, ...] = ()
    with Progress("encode") as progress, _writer(output, config, source, force=force) as write:
        for text, features in zip(given, found, strict=True):
            write(text, features)
            counts.update(_counted(features, config))
            size = _size(features, config)
            progress.show(f"{counts['texts']:,} texts")
        seconds = progress.seconds
    texts, vectors = counts.pop("texts"), counts.pop("vectors")
    return EncodeSummary(output, texts, vectors, size, dict(counts), seconds)


def _tell_left_out(vectors: TextVectors) -> None:
    """Say what a folder of sentence-transformers does beside pooling, which is not done here."""
    done = {
        "sets a prompt before each text": bool(vectors.prompt),
        f"cuts texts at {vectors.max_length} tokens": vectors.max_length is not None,
        "gives its vectors a length of 1": vectors.normalize,
    }
    if named := [what for what, is_so in done.items() if is_so]:
        say(
            f"This model's folder {', '.join(named)}: gloze.load(...).encode does so, gloze encode "
            "does not."
        )


def _check_output(output: Path, config: FeatureConfig, *, force: bool) -> None:
    if output.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"-o {output}: its name must end in {', '.join(_SUFFIXES)}.")
    if output.suffix.lower() == ".npy" and config.pooling == "none":
        raise ConfigError(
            f"-o {output}: .npy holds one vector a text. For vectors of tokens or words write "
            ".npz, .jsonl or .parquet, or choose a --pooling."
        )
    refuse_existing(output, force=force)


def _counted(features: Features, config: FeatureConfig) -> dict[str, int]:
    return {
        "texts": 1,
        "vectors": len(features.words) if config.pooling == "none" else 1,
        "tokens": features.tokens,
        "unknown": features.unknown,
        "cut": int(features.left_out > 0),
        "left_out": features.left_out,
        "in_windows": int(features.windows > 1),
        "empty": int(features.tokens == 0),
        "lost_words": int((features.pieces == 0).sum()),
    }


def _size(features: Features, config: FeatureConfig) -> tuple[int, ...]:
    """Return the shape of one vector."""
    shape = features.vectors.shape
    if config.pooling != "none":
        return shape
    return (*shape[:-2], shape[-1])


@contextlib.contextmanager
def _writer(
    output: Path, config: FeatureConfig, source: Path, *, force: bool
) -> Iterator[Callable[[GivenText, Features], None]]:
    """Yield what takes a text and its vectors."""
    kind, is_pooled = output.suffix.lower(), config.pooling != "none"
    if kind in (".npy", ".npz"):
        arrays = write_npz(output, pooled=is_pooled, force=force)
        with write_npy(output, force=force) if kind == ".npy" else arrays as file:
            yield lambda text, features: file.write(features)
        return
    with write_table(output, force=force, types=_types(config)) as table:
        rows = _Rows(table, config, source, as_json=kind == ".jsonl")
        yield rows.add
        rows.flush()


def _types(config: FeatureConfig) -> dict[str, Any]:
    import pyarrow as pa

    vector = pa.list_(pa.float32())
    several = config.combine == "stack"
    if config.pooling != "none":
        return {"vector": pa.list_(vector) if several else vector}
    vectors = pa.list_(pa.list_(vector) if several else vector)
    whole = pa.list_(pa.int64())
    unit = "words" if config.words else "tokens"
    return {
        unit: pa.list_(pa.string()), "starts": whole, "ends": whole, "pieces": whole,
        "vectors": vectors,
    }  # fmt: skip


class _Rows:
    """Rows of the input with what was found added, handed on some at a time."""

    def __init__(
        self, table: TableWriter, config: FeatureConfig, source: Path, *, as_json: bool
    ) -> None:
        self.table, self.config, self.source, self.as_json = table, config, source, as_json
        self.rows: list[dict[str, Any]] = []

    def add(self, text: GivenText, features: Features) -> None:
        added = self._added(features)
        # Words that were given are what is added.
        own = {"words"} if isinstance(text.text, list) else set()
        if taken := [name for name in added if name in text.row and name not in own]:
            raise DataError(
                "the input has this column already.",
                path=self.source,
                line=text.line,
                column=taken[0],
                hint="Rename it, take it out, or write .npz.",
            )
        self.rows.append({**text.row, **added})
        if len(self.rows) == _ROWS_AT_ONCE:
            self.flush()

    def _added(self, features: Features) -> dict[str, Any]:
        listed = _as_json if self.as_json else _as_arrays
        if self.config.pooling != "none":
            return {"vector": listed(features.vectors)}
        starts, ends = features.offsets.T.tolist()
        return {
            "words" if self.config.words else "tokens": features.words,
            "starts": starts,
            "ends": ends,
            "pieces": features.pieces.tolist(),
            "vectors": listed(features.by_word),
        }

    def flush(self) -> None:
        self.table.write(self.rows)
        self.rows = []


def _as_json(vectors: npt.NDArray[np.float32]) -> Any:
    """Return numbers as short as they are written in single precision, in nested lists."""
    return vectors.astype(str).astype(np.float64).tolist()


def _as_arrays(vectors: npt.NDArray[np.float32]) -> Any:
    """Return nested lists of vectors, which is what Arrow takes."""
    return vectors if vectors.ndim == 1 else [_as_arrays(each) for each in vectors]
