"""Factors stored in 16 bits and computed with in 32: half the bytes to move for each stored entry.

The numbers are bfloat16, the upper half of a float32: its range, and eight significant bits. Two
vectors are stored as one of 32-bit words, number k in the lower and number k + lanes in the upper half
of a word, so that a shift makes floats of the lower ones again, on any processor. The upper ones need
nothing: a word is itself read as a float, and of the floats that end in the lower half's bits the one is
stored that is next to the number, within 2^-8 of it as rounding would be. (A mask in place of that
was a fifth of what a step does.) Only next to zero is none that is a normal float, and processors may
take a hundred times as long for others, so numbers below 2^-60 become that beside a number that is not
zero: zeros too, those of padding and of dropped directions among them, which nothing comes back from.

(IEEE half precision has three bits more, but the loops took half as long again with its conversion,
and what it would gain, some millionths of the objective, is less than two steps leave.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from halfstep.kernels.cpu.compile import compiled
from halfstep.kernels.cpu.vectors import Vector, address, builtin, load, types, width

PAIRS = types.uint32
_LEAST = (127 - 60) << 23  # the bits of 2^-60


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
            if not upper:
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
    """Write two vectors of float32 to the words at `pointer[offset:]`, each rounded to the nearest."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _words(args[0], args[1], builder, args[2].type.count)
        kind = target.type.pointee

        def constant(value: int) -> Any:
            return _constant(kind, value)

        words = builder.bitcast(args[2], kind)
        even = builder.and_(builder.lshr(words, constant(16)), constant(1))
        rounded = builder.add(words, builder.add(even, constant(0x7FFF)))
        # Rounding would carry some NaNs over to zero.
        nan = builder.fcmp_unordered("uno", args[2], args[2])
        lower = builder.lshr(builder.select(nan, constant(0x7FC00000), rounded), constant(16))

        words = builder.bitcast(args[3], kind)
        size = builder.and_(words, constant(0x7FFFFFFF))
        # The size of those that end in `lower` which is next to it; _LEAST in place of less.
        upper = builder.add(builder.sub(size, lower), constant(0x8000))
        upper = builder.and_(upper, constant(0xFFFF0000))
        least = builder.icmp_unsigned("<", size, constant(_LEAST))
        nothing = builder.icmp_unsigned("==", lower, constant(0))
        upper = builder.select(builder.and_(least, builder.not_(nothing)), constant(_LEAST), upper)
        infinite = builder.icmp_unsigned(">=", size, constant(0x7F800000))
        upper = builder.select(infinite, builder.and_(size, constant(0xFFFF0000)), upper)
        sign = builder.and_(words, constant(0x80000000))
        builder.store(builder.or_(builder.or_(sign, upper), lower), target, align=4)
        return context.get_dummy_value()

    return types.void(pointer, types.intp, a, b), build


@compiled
def pack(source: Any, target: Any) -> None:
    """Write `source` (float32) to `target` (uint32, half as many): flat, whole pairs of vectors."""
    a, b = address(source), address(target)
    V = width(a)
    for k in range(0, source.size, 2 * V):
        store_pair(b, k // 2, load(a, k), load(a, k + V))
