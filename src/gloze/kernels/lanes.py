"""Vectors of numbers, for kernels that say themselves what is held in registers.

LLVM cannot know that the rows of two arrays are not the same memory, and so checks, or gives up,
inner loops that read some and write others. With these the order is the one written.

A vector has :data:`LANES` float32, 8 or 16 by what the machine's registers hold. Arrays are float32
in one piece, rows of a multiple of 16.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

if TYPE_CHECKING:
    from collections.abc import Callable

# Numba says nothing of its types here.
_tools: Any = cgutils
LANES = 16 if binding.get_host_cpu_features().get("avx512f") else 8
_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_NOTHING = ir.Constant(_VECTOR, ir.Undefined)
# Sums may be taken in any order, products and sums in one.
_FAST = ("fast",)
# To be read and written, in the nearest memory.
_TO_WRITE, _NEAREST, _DATA = (ir.Constant(_INDEX, number) for number in (1, 3, 1))


def _emitted(function: Callable[..., Any]) -> Any:
    """Have what a function returns compiled in place of calls of it."""
    return intrinsic(function)


class LanesType(types.Type):
    """Of a vector in compiled functions."""

    def __init__(self) -> None:
        super().__init__("Lanes")


_LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _is_rows(kind: Any) -> bool:
    return isinstance(kind, types.Array) and (kind.dtype, kind.layout) == (types.float32, "C")


def _place(context: Any, builder: Any, kind: Any, value: Any, row: Any, column: Any) -> Any:
    """Return the pointer to an element."""
    array = context.make_array(kind)(context, builder, value)
    size = _tools.unpack_tuple(builder, array.shape)[-1]
    return builder.gep(array.data, [builder.add(builder.mul(row, size), column)])


@_emitted
def zeros(_: Any) -> Any:
    """Return a vector of zeros."""
    return _LANES(), lambda *_: ir.Constant(_VECTOR, [0.0] * LANES)


@_emitted
def splat(_: Any, number: Any) -> Any:
    """Return a vector of one float32."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        one = builder.insert_element(_NOTHING, values[0], ir.Constant(_INDEX, 0))
        zero = ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        return builder.shuffle_vector(one, _NOTHING, zero)

    return _LANES(types.float32), emit


@_emitted
def load(_: Any, array: Any, row: Any, column: Any) -> Any:
    """Return the numbers of a row from a column on."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _place(context, builder, array, *values)
        return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)

    return (_LANES(array, types.intp, types.intp), emit) if _is_rows(array) else None


@_emitted
def store(_: Any, array: Any, row: Any, column: Any, lanes: Any) -> Any:
    """Put a vector to a row from a column on."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _place(context, builder, array, *values[:3])
        builder.store(values[3], builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return (types.void(array, types.intp, types.intp, _LANES), emit) if _is_rows(array) else None


@_emitted
def store_four(_: Any, array: Any, place: Any, lanes: Any, first: Any) -> Any:
    """Put four numbers of a vector, from the one that ``first`` says on, to an array."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(array)(context, builder, values[0]).data
        pointer = builder.gep(data, [values[1]])
        begin = first.literal_value
        some = ir.Constant(ir.VectorType(_INDEX, 4), [begin + k for k in range(4)])
        four = builder.shuffle_vector(values[2], _NOTHING, some)
        kind = ir.VectorType(_FLOAT, 4).as_pointer()
        builder.store(four, builder.bitcast(pointer, kind), align=4)
        return context.get_dummy_value()

    known = isinstance(first, types.IntegerLiteral) and _is_rows(array)
    return (types.void(array, types.intp, _LANES, first), emit) if known else None


@_emitted
def plus(_: Any, x: Any, y: Any) -> Any:
    """Return x + y."""
    return _LANES(_LANES, _LANES), lambda _, builder, __, v: builder.fadd(*v, flags=_FAST)


@_emitted
def minus(_: Any, x: Any, y: Any) -> Any:
    """Return x - y."""
    return _LANES(_LANES, _LANES), lambda _, builder, __, v: builder.fsub(*v, flags=_FAST)


@_emitted
def times(_: Any, x: Any, y: Any) -> Any:
    """Return x y."""
    return _LANES(_LANES, _LANES), lambda _, builder, __, v: builder.fmul(*v, flags=_FAST)


@_emitted
def add_product(_: Any, total: Any, x: Any, y: Any) -> Any:
    """Return total + x y."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        product = builder.fmul(values[1], values[2], flags=_FAST)
        return builder.fadd(values[0], product, flags=_FAST)

    return _LANES(_LANES, _LANES, _LANES), emit


@_emitted
def sums(_: Any, several: Any) -> Any:
    """Return the sums of the numbers of each of 1, 2, 4 or 8 vectors, in the first lanes of one."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vectors = _tools.unpack_tuple(builder, values[0])
        width = LANES
        # The halves of what belongs to one sum are added, those of two vectors side by side.
        while width > 1:
            width //= 2
            low = [begin + k for begin in range(0, 2 * LANES, 2 * width) for k in range(width)]
            masks = [
                ir.Constant(ir.VectorType(_INDEX, LANES), [k + more for k in low])
                for more in (0, width)
            ]
            pairs = zip(vectors[::2], vectors[1::2] or vectors, strict=True)
            vectors = [
                builder.fadd(*(builder.shuffle_vector(*pair, mask) for mask in masks), flags=_FAST)
                for pair in pairs
            ]
        return vectors[0]

    return _LANES(several), emit


@_emitted
def over_root(_: Any, x: Any, y: Any) -> Any:
    """Return x / sqrt(y), to some units in the last place."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR])
        name = f"llvm.sqrt.v{LANES}f32"
        square_root = _tools.get_or_insert_function(builder.module, kind, name)
        root = builder.call(square_root, [values[1]], fastmath=_FAST)
        return builder.fdiv(values[0], root, flags=_FAST)

    return _LANES(_LANES, _LANES), emit


@_emitted
def number(_: Any, lanes: Any, at: Any) -> Any:
    """Return the number of a vector that ``at`` says."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.extract_element(values[0], ir.Constant(_INDEX, at.literal_value))

    return (types.float32(_LANES, at), emit) if isinstance(at, types.IntegerLiteral) else None


@_emitted
def prefetch(_: Any, array: Any, row: Any, column: Any) -> Any:
    """Have the memory of an element fetched, to be read and written soon."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _place(context, builder, array, *values)
        kind = ir.IntType(8).as_pointer()
        whole = [kind, _INDEX, _INDEX, _INDEX]
        fetch = _tools.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), whole), "llvm.prefetch.p0"
        )
        builder.call(fetch, [builder.bitcast(pointer, kind), _TO_WRITE, _NEAREST, _DATA])
        return context.get_dummy_value()

    return (types.void(array, types.intp, types.intp), emit) if _is_rows(array) else None
