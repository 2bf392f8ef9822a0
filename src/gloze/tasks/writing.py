"""Tables written row by row, whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import json
from typing import IO, TYPE_CHECKING, Any, Protocol

from gloze.core.errors import ConfigError, DataError
from gloze.core.files import new_file, writing
from gloze.core.output import refuse_existing
from gloze.tasks.tables import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq


class TableWriter(Protocol):
    """Takes rows in blocks; the first row names the columns."""

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows."""
        ...


def check_table_path(path: Path, *, force: bool) -> Kind:
    """Return the kind of table that ``path`` will be.

    Raises:
        ConfigError: if the name tells no kind that can be written, or the file exists.
    """
    try:
        kind = kind_of(path)
    except DataError:
        kind = None
    if kind is None or path.suffix.lower() not in (f".{kind}", ".ndjson"):
        raise ConfigError(f"-o {path}: its name must end in .tsv, .csv, .jsonl or .parquet.")
    refuse_existing(path, force=force)
    return kind


@contextlib.contextmanager
def write_table(
    path: Path, *, force: bool, types: Mapping[str, pa.DataType] | None = None
) -> Iterator[TableWriter]:
    """Yield a writer; the table appears when the block ends without an error.

    Args:
        path: of the file, whose name tells its kind.
        force: replace it if it exists.
        types: of columns in Parquet; by default the rows tell.

    Raises:
        ConfigError: if the name tells no kind, or the file exists and ``force`` is not set.
        DataError: if a row does not fit the kind or the first row's columns.
        WriteError: if the disk is full or the place cannot be written to.
    """
    kind = check_table_path(path, force=force)
    with new_file(path, force=force) as temporary, writing(path):
        if kind == "parquet":
            with contextlib.closing(_ParquetWriter(path, temporary, types or {})) as parquet:
                yield parquet
        else:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                yield _TextWriter(path, kind, file)


class AnswerWriter(Protocol):
    """Takes examples with their answers in blocks."""

    def write(self, examples: Sequence[Any], answers: Sequence[Any]) -> None:
        """Append them."""
        ...


class TableAnswers:
    """Writes the columns of the input, and those of the answer after them."""

    def __init__(
        self, table: TableWriter, row: Callable[[Any, Any], dict[str, Any]], source: Path
    ) -> None:
        self.table, self.row, self.source = table, row, source

    @classmethod
    @contextlib.contextmanager
    def open(
        cls, path: Path, row: Callable[[Any, Any], dict[str, Any]], *, source: Path, force: bool
    ) -> Iterator[TableAnswers]:
        """Yield a writer; the file appears when the block ends without an error.

        Args:
            path: its name tells the kind of table.
            row: example and answer to the columns that are added.
            source: the file of the examples, for messages.
            force: replace ``path`` if it exists.
        """
        with write_table(path, force=force) as table:
            yield cls(table, row, source)

    def write(self, examples: Sequence[Any], answers: Sequence[Any]) -> None:
        """Append them.

        Raises:
            DataError: if the input has a column of an answer's name.
        """
        rows = []
        for example, answer in zip(examples, answers, strict=True):
            added, own = self.row(example, answer), example.row or {}
            if taken := [name for name in added if name in own]:
                raise DataError(
                    "the input has this column already.",
                    path=self.source,
                    line=example.line,
                    column=taken[0],
                    hint="Rename it or take it out.",
                )
            rows.append({**own, **added})
        self.table.write(rows)


class GlueAnswers:
    """Writes what the GLUE benchmark takes: the number of each example from 0, and its answer."""

    def __init__(self, table: TableWriter, say: Callable[[Any], str]) -> None:
        self.table, self.say, self.count = table, say, 0

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, say: Callable[[Any], str], *, force: bool) -> Iterator[GlueAnswers]:
        """Yield a writer; ``say`` gives an answer as GLUE writes it.

        Raises:
            ConfigError: if the name is not that of a TSV file.
        """
        if path.suffix != ".tsv":
            raise ConfigError(f"-o {path}: a submission to GLUE is a .tsv file.")
        with write_table(path, force=force) as table:
            yield cls(table, say)

    def write(self, examples: Sequence[Any], answers: Sequence[Any]) -> None:
        """Append the answers."""
        numbers = range(self.count, self.count + len(answers))
        self.table.write(
            [
                {"index": number, "prediction": self.say(answer)}
                for number, answer in zip(numbers, answers, strict=True)
            ]
        )
        self.count += len(answers)


class _TextWriter:
    def __init__(self, path: Path, kind: Kind, file: IO[str]) -> None:
        self.path, self.kind, self.file = path, kind, file
        self.columns: list[str] = []

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        if self.kind == "jsonl":
            lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
            self.file.writelines(f"{line}\n" for line in lines)
            return
        if rows and not self.columns:
            self.columns = list(rows[0])
            self._write_cells(self.columns)
        for row in rows:
            _check_columns(self.path, row, self.columns)
            self._write_cells([_cell(row.get(column)) for column in self.columns])

    def _write_cells(self, cells: list[str]) -> None:
        if self.kind == "csv":
            csv.writer(self.file, lineterminator="\n").writerow(cells)
            return
        for cell in cells:
            if any(character in cell for character in "\t\n\r"):
                raise DataError(
                    f"{cell!r:.40} holds a tab or a line break, which TSV cannot.",
                    path=self.path,
                    hint="Write .csv or .jsonl instead.",
                )
        self.file.write("\t".join(cells) + "\n")


class _ParquetWriter:
    def __init__(self, path: Path, temporary: Path, types: Mapping[str, pa.DataType]) -> None:
        self.path, self.temporary, self.types = path, temporary, types
        self.writer: pq.ParquetWriter | None = None

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # pyarrow leaves out what the first row has not.
        names = self.writer.schema.names if self.writer else list(rows[0])
        for row in rows:
            _check_columns(self.path, row, names)
        try:
            schema = self._schema(rows, names)
            if self.writer is None:
                self.writer = pq.ParquetWriter(self.temporary, schema)
            elif schema != self.writer.schema:
                self._widen(schema)
            table = pa.Table.from_pylist(list(rows), schema=schema)
        except (pa.ArrowException, TypeError, OverflowError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"the rows do not fit one type a column ({reason}).",
                path=self.path,
                hint="Write .jsonl instead.",
            ) from error
        self.writer.write_table(table)

    def _schema(self, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> pa.Schema:
        """Return the types of the columns, as these rows and those before have them."""
        import pyarrow as pa

        told = [name for name in names if name not in self.types]
        schema = pa.Table.from_pylist(
            [{name: row.get(name) for name in told} for row in rows]
        ).schema
        for name, kind in self.types.items():
            schema = schema.append(pa.field(name, kind))
        if self.writer is None:
            return schema
        return pa.unify_schemas([self.writer.schema, schema], promote_options="permissive")

    def _widen(self, schema: pa.Schema) -> None:
        """Write what there is again, in types that hold what follows too."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        assert self.writer is not None
        self.writer.close()
        wider = self.temporary.with_name(f"{self.temporary.name}-wider")
        try:
            self.writer = pq.ParquetWriter(wider, schema)
            with pq.ParquetFile(self.temporary) as file:
                for batch in file.iter_batches():
                    self.writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            wider.replace(self.temporary)
        finally:
            wider.unlink(missing_ok=True)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _check_columns(path: Path, row: dict[str, Any], columns: Sequence[str]) -> None:
    extra = [column for column in row if column not in columns]
    if extra:
        raise DataError(
            f"a row has column {extra[0]!r}, which the first row has not.",
            path=path,
            hint="Write .jsonl instead.",
        )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
