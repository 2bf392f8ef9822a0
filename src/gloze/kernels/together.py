"""What several threads learned on copies of a table, brought together."""

from __future__ import annotations

from gloze.kernels.compiled import kernel


@kernel
def bring_together(table, copies, scales, begin, end):  # type: ignore[no-untyped-def]
    """Add to some rows of a table what the copies changed, scaled, in the order of the copies.

    Args:
        table: as it was copied, float32 [rows, size]; changed.
        copies: of it, float32 [copies, rows, size].
        scales: of the changes of each row, float32 [rows].
        begin: first row.
        end: the one after the last.
    """
    for row in range(begin, end):
        scale = scales[row]
        for k in range(table.shape[1]):
            base = table[row, k]
            change = copies[0, row, k] - base
            for copy in range(1, len(copies)):
                change += copies[copy, row, k] - base
            table[row, k] = base + scale * change
