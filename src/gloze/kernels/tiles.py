"""Products of rows and their gradients, in tiles that stay in registers.

All rows are float32 of one length, a multiple of 16. Buffers have three rows more than are used:
tiles of four take them along, and what comes of them is not read.
"""

from __future__ import annotations

import numpy as np

from gloze.kernels.compiled import part
from gloze.kernels.lanes import (
    LANES,
    add_product,
    load,
    plus,
    prefetch,
    splat,
    store,
    store_four,
    sums,
    zeros,
)

SPARE = 3
# Numbers to a line of the machine's memory.
_LINE = 16


@part
def rows_of(count, size):  # type: ignore[no-untyped-def]
    """Return a buffer for so many rows and those that tiles take along, at the start of a line."""
    whole = (count + SPARE) * size
    room = np.zeros(whole + _LINE, np.float32)
    begin = -(room.ctypes.data // 4) % _LINE
    return room[begin : begin + whole].reshape((count + SPARE, size))


@part
def fetch(table, rows, count):  # type: ignore[no-untyped-def]
    """Have ``count`` rows of a table brought near."""
    for i in range(count):
        fetch_row(table, rows[i])


@part
def fetch_row(table, row):  # type: ignore[no-untyped-def]
    """Have a row of a table brought near."""
    for k in range(0, table.shape[1], _LINE):
        prefetch(table, row, k)


@part
def gather(table, rows, count, out):  # type: ignore[no-untyped-def]
    """Copy ``count`` rows of a table."""
    for i in range(count):
        row = rows[i]
        for k in range(0, table.shape[1], LANES):
            store(out, i, k, load(table, row, k))


@part
def scatter_add(table, rows, count, change):  # type: ignore[no-untyped-def]
    """Add to ``count`` rows of a table, one after the other: a row may come several times."""
    for i in range(count):
        row = rows[i]
        for k in range(0, table.shape[1], LANES):
            store(table, row, k, plus(load(table, row, k), load(change, i, k)))


@part
def clear(rows, count):  # type: ignore[no-untyped-def]
    """Set the first rows to zero."""
    for i in range(count):
        for k in range(0, rows.shape[1], LANES):
            store(rows, i, k, zeros())


@part
def products_of_one(x, i, y, begin, end, out, at):  # type: ignore[no-untyped-def]
    """Put the products of row ``i`` of x with rows begin to end of y to ``out[at:]``."""
    for j in range(begin, end, 4):
        s0 = s1 = s2 = s3 = zeros()
        for k in range(0, x.shape[1], LANES):
            v = load(x, i, k)
            s0 = add_product(s0, v, load(y, j, k))
            s1 = add_product(s1, v, load(y, j + 1, k))
            s2 = add_product(s2, v, load(y, j + 2, k))
            s3 = add_product(s3, v, load(y, j + 3, k))
        store_four(out, at + j - begin, sums((s0, s1, s2, s3)), 0)


@part
def products_each(x, table, rows, count, out):  # type: ignore[no-untyped-def]
    """Put the product of each row of x with its row of a table to ``out``."""
    for i in range(0, count, 4):
        r0, r1, r2, r3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        s0 = s1 = s2 = s3 = zeros()
        for k in range(0, x.shape[1], LANES):
            s0 = add_product(s0, load(x, i, k), load(table, r0, k))
            s1 = add_product(s1, load(x, i + 1, k), load(table, r1, k))
            s2 = add_product(s2, load(x, i + 2, k), load(table, r2, k))
            s3 = add_product(s3, load(x, i + 3, k), load(table, r3, k))
        store_four(out, i, sums((s0, s1, s2, s3)), 0)


@part
def exchange(errors, at, x, i, y, begin, end, dx, dy):  # type: ignore[no-untyped-def]
    """Add to dx[i] rows begin to end of y, and to those of dy the row x[i], times their errors."""
    for k in range(0, x.shape[1], LANES):
        v, total = load(x, i, k), zeros()
        for j in range(begin, end):
            error = splat(errors[at + j - begin])
            total = add_product(total, error, load(y, j, k))
            store(dy, j, k, add_product(load(dy, j, k), error, v))
        store(dx, i, k, plus(load(dx, i, k), total))


@part
def products(x, count, y, many, out, stride):  # type: ignore[no-untyped-def]
    """Put the products of the first rows of x with the first ``many`` of y to ``out``.

    Those of row i of x begin at ``i * stride``; the stride is a multiple of four and at least
    ``many``, and ``out`` has room for :data:`SPARE` rows more.
    """
    for i in range(0, count, 4):
        for j in range(0, many, 4):
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zeros()
            c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = zeros()
            for k in range(0, x.shape[1], LANES):
                y0, y1, y2, y3 = (
                    load(y, j, k),
                    load(y, j + 1, k),
                    load(y, j + 2, k),
                    load(y, j + 3, k),
                )
                v = load(x, i, k)
                a0, a1 = add_product(a0, v, y0), add_product(a1, v, y1)
                a2, a3 = add_product(a2, v, y2), add_product(a3, v, y3)
                v = load(x, i + 1, k)
                b0, b1 = add_product(b0, v, y0), add_product(b1, v, y1)
                b2, b3 = add_product(b2, v, y2), add_product(b3, v, y3)
                v = load(x, i + 2, k)
                c0, c1 = add_product(c0, v, y0), add_product(c1, v, y1)
                c2, c3 = add_product(c2, v, y2), add_product(c3, v, y3)
                v = load(x, i + 3, k)
                d0, d1 = add_product(d0, v, y0), add_product(d1, v, y1)
                d2, d3 = add_product(d2, v, y2), add_product(d3, v, y3)
            p = i * stride + j
            both = sums((a0, a1, a2, a3, b0, b1, b2, b3))
            store_four(out, p, both, 0)
            store_four(out, p + stride, both, 4)
            both = sums((c0, c1, c2, c3, d0, d1, d2, d3))
            store_four(out, p + 2 * stride, both, 0)
            store_four(out, p + 3 * stride, both, 4)


@part
def mixed(errors, across, along, y, many, out, count):  # type: ignore[no-untyped-def]
    """Put to row i of ``out`` the sum of ``errors[i * across + j * along]`` times row j of y.

    Up to three rows more of ``out`` are written.
    """
    size = y.shape[1]
    for i in range(0, count, 4):
        at = i * across
        for k in range(0, size - LANES, 2 * LANES):
            a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = zeros()
            for j in range(many):
                v, w, p = load(y, j, k), load(y, j, k + LANES), at + j * along
                error = splat(errors[p])
                a0, a1 = add_product(a0, error, v), add_product(a1, error, w)
                error = splat(errors[p + across])
                b0, b1 = add_product(b0, error, v), add_product(b1, error, w)
                error = splat(errors[p + 2 * across])
                c0, c1 = add_product(c0, error, v), add_product(c1, error, w)
                error = splat(errors[p + 3 * across])
                d0, d1 = add_product(d0, error, v), add_product(d1, error, w)
            _store_pair(out, i, k, a0, a1)
            _store_pair(out, i + 1, k, b0, b1)
            _store_pair(out, i + 2, k, c0, c1)
            _store_pair(out, i + 3, k, d0, d1)
        if size & LANES:
            k = size - LANES
            a0 = b0 = c0 = d0 = zeros()
            for j in range(many):
                v, p = load(y, j, k), at + j * along
                a0 = add_product(a0, splat(errors[p]), v)
                b0 = add_product(b0, splat(errors[p + across]), v)
                c0 = add_product(c0, splat(errors[p + 2 * across]), v)
                d0 = add_product(d0, splat(errors[p + 3 * across]), v)
            store(out, i, k, a0)
            store(out, i + 1, k, b0)
            store(out, i + 2, k, c0)
            store(out, i + 3, k, d0)


@part
def _store_pair(out, i, k, v, w):  # type: ignore[no-untyped-def]
    store(out, i, k, v)
    store(out, i, k + LANES, w)
