"""The text column of a Parquet file, in batches whose memory is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gloze.core.errors import DataError
from gloze.text.compression import refuse_bomb
from gloze.text.formats import Document, check_column, documents_of_rows
from gloze.text.lines import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gloze.text.report import Ledger

BATCH_BYTES = 8 << 20
MAX_BATCH_ROWS = 4096


def read_parquet(path: Path, ledger: Ledger) -> Iterator[Document]:
    """Yield a document for each row of a Parquet file.

    Raises:
        DataError: if the file is broken or a bomb, or has no such column of strings.
    """
    return documents_of_rows(_rows(path, ledger), str(path), ledger)


def _rows(path: Path, ledger: Ledger) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    column, max_bytes = ledger.options.text_column, ledger.options.max_decompressed_bytes
    try:
        metadata = pq.read_metadata(path)
        _check_type(column, metadata.schema.to_arrow_schema(), str(path))
        rows = _batch_rows(metadata, column, path, max_bytes)
        # Dictionary-coded text stays so: a bomb repeats one long text many times. Without
        # pre_buffer and with a buffer, a row group is not held whole.
        with pq.ParquetFile(
            path,
            metadata=metadata,
            read_dictionary=[column],
            pre_buffer=False,
            buffer_size=1 << 20,
        ) as file:
            batches = file.iter_batches(rows, columns=[column], use_threads=False)
            number = size = 0
            on_disk = path.stat().st_size
            for batch in batches:
                for text in _texts(batch.column(0)):
                    number += 1
                    size += len(text) if isinstance(text, str) else 0
                    refuse_bomb(size, on_disk, max_bytes, path)
                    yield number, text
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"not a whole Parquet file ({reason}).", path=path) from error


def _check_type(column: str, schema: Any, source: str) -> None:
    import pyarrow as pa

    check_column(column, schema.names, source)
    kind = schema.field(column).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(
            f"column {column!r} holds {kind}, not strings; there are: {schema.names}.",
            path=source,
            hint="Name the one with the text: --text-column (of gloze prepare).",
        )


def _batch_rows(metadata: Any, column: str, path: Path, max_bytes: int) -> int:
    """Return how many rows to read at a time, unless the file says itself that it is a bomb."""
    packed = unpacked = 0
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for chunk in map(chunks.column, range(chunks.num_columns)):
            if chunk.path_in_schema == column:
                packed += max(0, chunk.total_compressed_size)
                unpacked += max(0, chunk.total_uncompressed_size)
    refuse_bomb(unpacked, packed, max_bytes, path)
    average = unpacked // max(1, metadata.num_rows) + 1
    return max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // average))


def _texts(values: Any) -> list[Any]:
    """Return the texts of a batch, with a Fault in place of one that is not UTF-8."""
    if hasattr(values, "dictionary"):
        known = _decoded(values.dictionary)
        return [None if index is None else known[index] for index in values.indices.to_pylist()]
    return _decoded(values)


def _decoded(values: Any) -> list[Any]:
    try:
        return values.to_pylist()
    except UnicodeDecodeError:
        return [_decoded_one(value) for value in values]


def _decoded_one(value: Any) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return Fault("not UTF-8", f"not UTF-8: byte 0x{byte:02x} at byte {error.start + 1}")
