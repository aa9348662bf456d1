"""Factors stored in 16 bits and computed with in 32: half the bytes to move for each stored entry.

The numbers are bfloat16, the upper half of a float32: its range, and eight significant bits. Two
vectors are stored as one of 32-bit words, number k in the lower and number k + lanes in the upper half
of a word, so that a shift and a mask make them floats again, on any processor.

(IEEE half precision has three bits more, but the loops took half as long again with its conversion,
and what it would gain, some millionths of the objective, is less than two steps leave.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from halfstep.kernels.cpu import compiled
from halfstep.kernels.cpu_vector import Vector, address, builtin, load, types, width

PAIRS = types.uint32


def _words(pointer: Any, offset: Any, builder: Any, count: int) -> Any:
    kind = ir.VectorType(ir.IntType(32), count)
    return builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer())


def _constant(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _half(upper: bool) -> Any:
    def half(typing: Any, pointer: Any, row: Any, k: Any) -> Any:
        paired = pointer.dtype == PAIRS

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer_, row_, k_ = args
            kind = context.get_value_type(signature.return_type)
            intp = k_.type
            if not paired:
                k_ = builder.add(k_, intp(kind.count)) if upper else k_
                target = builder.gep(pointer_, [builder.add(row_, k_)])
                target = builder.bitcast(target, kind.as_pointer())
                return builder.load(target, align=pointer.dtype.bitwidth // 8)
            offset = builder.add(row_, builder.lshr(k_, intp(1)))
            words = builder.load(_words(pointer_, offset, builder, kind.count), align=4)
            if upper:
                words = builder.and_(words, _constant(words.type, 0xFFFF0000))
            else:
                words = builder.shl(words, _constant(words.type, 16))
            return builder.bitcast(words, kind)

        dtype = types.float32 if paired else pointer.dtype
        return Vector(dtype)(pointer, types.intp, types.intp), build

    half.__doc__ = (
        f"Return the {'second' if upper else 'first'} vector of numbers k, k + 1, ... of the row that"
        " begins at `pointer[row]`; k a multiple of two vectors."
    )
    return builtin(half)


low, high = _half(False), _half(True)


@builtin
def store_pair(typing: Any, pointer: Any, offset: Any, a: Any, b: Any) -> Any:
    """Write two vectors of float32 to the words at `pointer[offset:]`, rounded to nearest even."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def rounded(vector: Any) -> Any:
            words = builder.bitcast(vector, target.type.pointee)
            even = builder.and_(builder.lshr(words, sixteen), _constant(words.type, 1))
            up = builder.add(words, builder.add(even, _constant(words.type, 0x7FFF)))
            # Rounding would carry some NaNs over to zero.
            nan = builder.fcmp_unordered("uno", vector, vector)
            return builder.select(nan, _constant(words.type, 0x7FC00000), up)

        target = _words(args[0], args[1], builder, args[2].type.count)
        sixteen = _constant(target.type.pointee, 16)
        first = builder.lshr(rounded(args[2]), sixteen)
        second = builder.and_(rounded(args[3]), _constant(target.type.pointee, 0xFFFF0000))
        builder.store(builder.or_(first, second), target, align=4)
        return context.get_dummy_value()

    return types.void(pointer, types.intp, a, b), build


@compiled
def pack(source: Any, target: Any) -> None:
    """Write `source` (float32) to `target` (uint32, half as many): flat, whole pairs of vectors."""
    a, b = address(source), address(target)
    V = width(a)
    for k in range(0, source.size, 2 * V):
        store_pair(b, k // 2, load(a, k), load(a, k + V))
