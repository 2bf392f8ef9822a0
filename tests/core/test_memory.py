"""Freed memory is kept: the same large block, asked for again, costs no new pages."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, numpy as np
from gloze.core.memory import keep_freed_memory
if not keep_freed_memory():
    print("unknown")
    raise SystemExit
np.ones(1 << 22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(1 << 22)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_large_blocks_are_used_again():
    words = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    if said == "unknown":
        pytest.skip("the C library has no mallopt")
    # 32 MB fifty times: 400,000 pages if each came from the system anew.
    assert int(said) < 10_000
