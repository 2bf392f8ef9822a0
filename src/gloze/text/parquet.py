"""The text column of a Parquet file in batches whose memory is bounded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError
from gloze.text.compressed import FREE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gloze.text.report import ReadOptions

BATCH_BYTES = 8 << 20
MAX_BATCH_ROWS = 4096


def text_batches(path: str, options: ReadOptions) -> Iterator[list[str | None]]:
    """Yield the texts of some rows at a time.

    Raises:
        DataError: if there is no such column, it holds no strings, or it unpacks to too much.
    """
    import pyarrow.parquet as pq

    column = options.text_column
    with Path(path).open("rb") as raw:
        # Dictionary-coded texts stay so in memory: a bomb repeats one long text many times.
        file = pq.ParquetFile(raw, read_dictionary=[column], pre_buffer=False)
        _check_column(file.schema_arrow, path, column)
        average = _check_sizes(file.metadata, path, options)
        rows = max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // max(1, average)))
        for batch in file.iter_batches(batch_size=rows, columns=[column], use_threads=False):
            texts = batch.column(0)
            if not len(texts):
                continue
            if hasattr(texts, "dictionary"):
                values = texts.dictionary.to_pylist()
                yield [None if i is None else values[i] for i in texts.indices.to_pylist()]
            else:
                yield texts.to_pylist()


def _check_column(schema: Any, path: str, column: str) -> None:
    import pyarrow as pa

    found = ", ".join(f"{field.name} ({field.type})" for field in schema) or "none"
    if schema.names.count(column) != 1:
        raise DataError(
            f"no column {column!r}. Columns: {found}."
            if column not in schema.names
            else f"more than one column {column!r}. Columns: {found}.",
            path=path,
            hint="Name the one with the text: --text-column.",
        )
    kind = schema.field(column).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(
            f"column {column!r} holds {kind}, not text. Columns: {found}.",
            path=path,
            hint="Name the one with the text: --text-column.",
        )


def _check_sizes(metadata: Any, path: str, options: ReadOptions) -> int:
    """Refuse a column that unpacks to too much; return the average bytes of a text."""
    packed = unpacked = 0
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for index in range(row_group.num_columns):
            chunk = row_group.column(index)
            if chunk.path_in_schema == options.text_column:
                packed += max(0, chunk.total_compressed_size)
                unpacked += max(0, chunk.total_uncompressed_size)
    if unpacked > options.max_file_bytes:
        raise DataError(
            f"its text unpacks to more than {options.max_file_bytes:,} bytes.",
            path=path,
            hint="Cut it in parts, or raise max_file_bytes if you trust it.",
        )
    if unpacked > FREE_BYTES and unpacked > packed * options.max_expansion:
        raise DataError(
            f"its text unpacks to over {options.max_expansion} times its size.",
            path=path,
            hint="Write it again with another compression, or raise max_expansion if you trust it.",
        )
    return int(unpacked // max(1, metadata.num_rows))
