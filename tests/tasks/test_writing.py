"""A table that cannot be written leaves nothing behind and says why."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gloze.core.errors import DataError
from gloze.tasks.writing import write_table

SCRIPT = """
import resource, signal, sys
from pathlib import Path
from gloze.core.errors import WriteError
from gloze.tasks.writing import write_table

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    with write_table(Path(sys.argv[1]), force=False) as table:
        for block in range(10):
            table.write([{"text": f"{block} {row} " * 20} for row in range(5000)])
except WriteError as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "parquet"])
def test_a_disk_that_is_full_leaves_nothing_half_written(tmp_path, kind):
    path = tmp_path / f"out.{kind}"
    command = [sys.executable, "-c", SCRIPT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"4 Cannot write {path}: File too large.")
    assert list(tmp_path.iterdir()) == []


BLOCKS = [
    [{"a": None, "b": 1, "c": []}, {"a": None, "b": 2, "c": []}],
    [{"b": None, "c": None}, {"a": "x", "b": 0.5, "c": [{"d": None}]}],
    [{"a": "y", "b": 3, "c": [{"d": "z"}]}],
]


def write(path, *blocks):
    with write_table(path, force=False) as table:
        for block in blocks:
            table.write(block)


def test_a_column_of_parquet_takes_the_type_that_all_its_rows_have(tmp_path):
    write(tmp_path / "out.parquet", *BLOCKS)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.names == ["a", "b", "c"]
    assert found.schema.field("a").type == pa.string()
    assert found.column("a").to_pylist() == [None, None, None, "x", "y"]
    assert found.column("b").to_pylist() == [1, 2, None, 0.5, 3]
    assert found.column("c").to_pylist() == [[], [], None, [{"d": None}], [{"d": "z"}]]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_rows_of_no_common_type_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"out\.parquet: the rows do not fit one type a column"):
        write(tmp_path / "out.parquet", [{"a": 1}], [{"a": "x"}])
    assert list(tmp_path.iterdir()) == []
