"""Products of rows and their gradients, in tiles that stay in registers.

All rows are float32 of one length. Buffers have three rows more than are used: tiles of four take
them along, and what comes of them is not read.
"""

from __future__ import annotations

import numpy as np

from gloze.kernels.compiled import kernel, part

SPARE = 3


@part
def rows_of(count, size):  # type: ignore[no-untyped-def]
    """Return a buffer for so many rows and those that tiles take along."""
    return np.zeros((count + SPARE, size), np.float32)


@kernel
def gather(table, rows, count, out):  # type: ignore[no-untyped-def]
    """Copy ``count`` rows of a table."""
    for i in range(count):
        row = rows[i]
        for k in range(table.shape[1]):
            out[i, k] = table[row, k]


@kernel
def scatter_add(table, rows, count, change):  # type: ignore[no-untyped-def]
    """Add to ``count`` rows of a table, one after the other: a row may come several times."""
    for i in range(count):
        row = rows[i]
        for k in range(table.shape[1]):
            table[row, k] += change[i, k]


@part
def clear(rows, count):  # type: ignore[no-untyped-def]
    """Set the first rows to zero."""
    for i in range(count):
        for k in range(rows.shape[1]):
            rows[i, k] = 0.0


@part
def products_of_one(x, i, y, begin, end, out, at):  # type: ignore[no-untyped-def]
    """Put the products of row ``i`` of x with rows begin to end of y to ``out[at:]``."""
    for j in range(begin, end, 4):
        s0 = s1 = s2 = s3 = np.float32(0)
        for k in range(x.shape[1]):
            v = x[i, k]
            s0 += v * y[j, k]
            s1 += v * y[j + 1, k]
            s2 += v * y[j + 2, k]
            s3 += v * y[j + 3, k]
        place = at + j - begin
        out[place], out[place + 1], out[place + 2], out[place + 3] = s0, s1, s2, s3


@part
def gradients_of_one(errors, at, x, i, y, begin, end, dx, dy):  # type: ignore[no-untyped-def]
    """Add to dx[i] the rows of y, and to those of dy the row x[i], times their errors."""
    j = begin
    while j + 4 <= end:
        place = at + j - begin
        e0, e1, e2, e3 = errors[place], errors[place + 1], errors[place + 2], errors[place + 3]
        for k in range(x.shape[1]):
            v = x[i, k]
            dx[i, k] += e0 * y[j, k] + e1 * y[j + 1, k] + e2 * y[j + 2, k] + e3 * y[j + 3, k]
            dy[j, k] += e0 * v
            dy[j + 1, k] += e1 * v
            dy[j + 2, k] += e2 * v
            dy[j + 3, k] += e3 * v
        j += 4
    while j < end:
        e0 = errors[at + j - begin]
        for k in range(x.shape[1]):
            dx[i, k] += e0 * y[j, k]
            dy[j, k] += e0 * x[i, k]
        j += 1


@kernel
def products(x, begin, end, y, count, out, stride):  # type: ignore[no-untyped-def]
    """Put the products of rows begin to end of x with the first rows of y to ``out``.

    Those of a row of x begin at ``(i - begin) * stride``; the stride is a multiple of four and at
    least ``count``, and ``out`` has room for :data:`SPARE` rows more.
    """
    for i in range(begin, end, 4):
        for j in range(0, count, 4):
            a0 = a1 = a2 = a3 = np.float32(0)
            b0 = b1 = b2 = b3 = np.float32(0)
            c0 = c1 = c2 = c3 = np.float32(0)
            d0 = d1 = d2 = d3 = np.float32(0)
            for k in range(x.shape[1]):
                y0, y1, y2, y3 = y[j, k], y[j + 1, k], y[j + 2, k], y[j + 3, k]
                x0, x1, x2, x3 = x[i, k], x[i + 1, k], x[i + 2, k], x[i + 3, k]
                a0, a1, a2, a3 = a0 + x0 * y0, a1 + x0 * y1, a2 + x0 * y2, a3 + x0 * y3
                b0, b1, b2, b3 = b0 + x1 * y0, b1 + x1 * y1, b2 + x1 * y2, b3 + x1 * y3
                c0, c1, c2, c3 = c0 + x2 * y0, c1 + x2 * y1, c2 + x2 * y2, c3 + x2 * y3
                d0, d1, d2, d3 = d0 + x3 * y0, d1 + x3 * y1, d2 + x3 * y2, d3 + x3 * y3
            p = (i - begin) * stride + j
            out[p], out[p + 1], out[p + 2], out[p + 3] = a0, a1, a2, a3
            p += stride
            out[p], out[p + 1], out[p + 2], out[p + 3] = b0, b1, b2, b3
            p += stride
            out[p], out[p + 1], out[p + 2], out[p + 3] = c0, c1, c2, c3
            p += stride
            out[p], out[p + 1], out[p + 2], out[p + 3] = d0, d1, d2, d3


@kernel
def gradients(errors, stride, x, rows, y, count, dx, dy):  # type: ignore[no-untyped-def]
    """Add to the first rows of dx those of y, and to those of dy those of x, times their errors.

    ``errors`` lie as :func:`products` puts them, and are zero in :data:`SPARE` rows after the last.
    """
    for i in range(0, rows, 4):
        for j in range(0, count, 4):
            p = i * stride + j
            q, r, s = p + stride, p + 2 * stride, p + 3 * stride
            a0, a1, a2, a3 = errors[p], errors[p + 1], errors[p + 2], errors[p + 3]
            b0, b1, b2, b3 = errors[q], errors[q + 1], errors[q + 2], errors[q + 3]
            c0, c1, c2, c3 = errors[r], errors[r + 1], errors[r + 2], errors[r + 3]
            d0, d1, d2, d3 = errors[s], errors[s + 1], errors[s + 2], errors[s + 3]
            for k in range(x.shape[1]):
                y0, y1, y2, y3 = y[j, k], y[j + 1, k], y[j + 2, k], y[j + 3, k]
                x0, x1, x2, x3 = x[i, k], x[i + 1, k], x[i + 2, k], x[i + 3, k]
                dx[i, k] += a0 * y0 + a1 * y1 + a2 * y2 + a3 * y3
                dx[i + 1, k] += b0 * y0 + b1 * y1 + b2 * y2 + b3 * y3
                dx[i + 2, k] += c0 * y0 + c1 * y1 + c2 * y2 + c3 * y3
                dx[i + 3, k] += d0 * y0 + d1 * y1 + d2 * y2 + d3 * y3
                dy[j, k] += a0 * x0 + b0 * x1 + c0 * x2 + d0 * x3
                dy[j + 1, k] += a1 * x0 + b1 * x1 + c1 * x2 + d1 * x3
                dy[j + 2, k] += a2 * x0 + b2 * x1 + c2 * x2 + d2 * x3
                dy[j + 3, k] += a3 * x0 + b3 * x1 + c3 * x2 + d3 * x3
