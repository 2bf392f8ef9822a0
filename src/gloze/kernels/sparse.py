"""Products of a sparse matrix with a few columns."""

from __future__ import annotations

import numpy as np

from gloze.kernels.compiled import kernel

COLUMNS = 16


@kernel
def multiply_rows(starts, columns, values, x, out, begin, end):  # type: ignore[no-untyped-def]
    """Put rows begin to end of a matrix times ``x`` to those of ``out``.

    Args:
        starts: where each row begins in the next two, int64 [rows + 1].
        columns: of the numbers that are not 0, int32.
        values: those numbers, float32.
        x: float32 [columns, COLUMNS].
        out: float32 [rows, COLUMNS]; changed.
        begin: first row.
        end: the one after the last.
    """
    for row in range(begin, end):
        sums = np.zeros(COLUMNS, np.float32)
        for at in range(starts[row], starts[row + 1]):
            value, column = values[at], columns[at]
            for k in range(COLUMNS):
                sums[k] += value * x[column, k]
        out[row] = sums
