"""A table that cannot be written leaves nothing behind and says why."""

import subprocess
import sys

import pytest

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
