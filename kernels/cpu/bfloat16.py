"""Factors stored as bfloat16 and computed with as float32: half the bytes to move per stored entry.

A bfloat16 is the upper half of a float32: the same range, and eight significant bits. Two vectors are
packed into one vector of 32-bit words: number k in the lower half of a word, number k + lanes in the
upper half.

* The lower number becomes a float32 by a shift, on any processor.
* The upper number needs no instruction: the word itself is read as a float32, whose last sixteen bits
  are the lower number. `store_pair` knows those bits, and of the floats that end in them it stores the
  one nearest to the number. That is within 2^-8 of it, as with rounding. (Tried: to mask the lower half
  away; the mask took a fifth of a step's time.)
* Near zero, all floats that end in the lower number's bits may be subnormal, on which some processors
  take a hundred times as long. So beside a lower number other than zero, an upper number smaller than
  2^-60 is stored as about 2^-60. This includes the zeros of padding and of directions that were dropped
  (`halfstep.solvers.whitening`), which the product that leads back to the factors multiplies by zero.

(Tried: IEEE half precision, which has three bits more. Its conversion made the loops half as slow again,
and it would gain some millionths of the objective, less than two steps leave.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

from halfstep.kernels.cpu.compile import compiled
from halfstep.kernels.cpu.vectors import Vector, address, builtin, load, types, width

PACKED = types.uint32
_LEAST = (127 - 60) << 23  # the bits of 2^-60


def _words(pointer: Any, offset: Any, builder: Any, count: int) -> Any:
    kind = ir.VectorType(ir.IntType(32), count)
    return builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer())


def _constant(kind: Any, value: int) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def _half(upper: bool) -> Any:
    def half(typing: Any, pointer: Any, row: Any, k: Any) -> Any:
        packed = pointer.dtype == PACKED

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer_, row_, k_ = args
            kind = context.get_value_type(signature.return_type)
            intp = k_.type
            if not packed:
                k_ = builder.add(k_, intp(kind.count)) if upper else k_
                target = builder.gep(pointer_, [builder.add(row_, k_)])
                target = builder.bitcast(target, kind.as_pointer())
                return builder.load(target, align=pointer.dtype.bitwidth // 8)
            offset = builder.add(row_, builder.lshr(k_, intp(1)))
            words = builder.load(_words(pointer_, offset, builder, kind.count), align=4)
            if not upper:
                words = builder.shl(words, _constant(words.type, 16))
            return builder.bitcast(words, kind)

        dtype = types.float32 if packed else pointer.dtype
        return Vector(dtype)(pointer, types.intp, types.intp), build

    half.__doc__ = (
        f"Return the {'second' if upper else 'first'} of the two vectors that begin at number k of the"
        " row at `pointer[row:]`; k is a multiple of two vectors."
    )
    return builtin(half)


low, high = _half(False), _half(True)


@builtin
def store_pair(typing: Any, pointer: Any, offset: Any, a: Any, b: Any) -> Any:
    """Write float32 vectors a and b to the words at `pointer[offset:]`, a in their lower halves."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _words(args[0], args[1], builder, args[2].type.count)
        kind = target.type.pointee

        def constant(value: int) -> Any:
            return _constant(kind, value)

        words = builder.bitcast(args[2], kind)
        even = builder.and_(builder.lshr(words, constant(16)), constant(1))
        rounded = builder.add(words, builder.add(even, constant(0x7FFF)))
        # The addition would carry some NaNs over to zero.
        nan = builder.fcmp_unordered("uno", args[2], args[2])
        lower = builder.lshr(builder.select(nan, constant(0x7FC00000), rounded), constant(16))

        words = builder.bitcast(args[3], kind)
        size = builder.and_(words, constant(0x7FFFFFFF))
        # Of the sizes that end in `lower`, the nearest; _LEAST in place of anything smaller.
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
    """Pack `source` (float32) into `target` (uint32, half as many numbers).

    Both are flat, and their size is a multiple of two vectors.
    """
    a, b = address(source), address(target)
    V = width(a)
    for k in range(0, source.size, 2 * V):
        store_pair(b, k // 2, load(a, k), load(a, k + V))
