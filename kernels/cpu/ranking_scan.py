"""SIMD operations on scores: which are above a limit, and where each stands among sorted thresholds.

Each of them replaces a branch or a table look-up per score by a few instructions per vector of scores.
The search needs a permutation across two registers that only AVX-512 has; `SEARCHES` says whether the
host has it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core.errors import RequireLiteralValue

from halfstep.kernels.cpu.vectors import (
    _splatted,
    _vector_pointer,
    builtin,
    cgutils,
    has_avx512,
    lanes,
    types,
)

SEARCHES = has_avx512()


def thresholds(itemsize: int) -> int:
    """Return how many thresholds `ranks` searches at once: two registers hold one more."""
    return 2 * lanes(itemsize) - 1


@builtin
def fma_one(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c of three numbers, rounded once, as a lane of `outer` computes it."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type
        name = f"llvm.fma.f{32 if isinstance(kind, ir.FloatType) else 64}"
        signature_ = ir.FunctionType(kind, [kind] * 3)
        function = cgutils.get_or_insert_function(builder.module, signature_, name)
        return builder.call(function, args)

    return a(a, a, a), build


@builtin
def above(typing: Any, pointer: Any, offset: Any, limit: Any) -> Any:
    """Return an integer whose bit i tells whether `pointer[offset + i]` is above `limit`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _vector_pointer(context, builder, signature, args)
        vector = builder.load(place, align=pointer.dtype.bitwidth // 8)
        lanes_above = builder.fcmp_ordered(">", vector, _splatted(builder, vector.type, args[2]))
        mask = builder.bitcast(lanes_above, ir.IntType(vector.type.count))
        return builder.zext(mask, context.get_value_type(types.intp))

    return types.intp(pointer, types.intp, pointer.dtype), build


@builtin
def ranks(
    typing: Any, scores: Any, at: Any, count: Any, sorted_: Any, first: Any, repeated: Any
) -> Any:
    """Return the sum over `scores[at : at + count]` of #{p < s} + #{p <= s}.

    The thresholds p are the `thresholds(itemsize)` ascending numbers at `sorted_[first:]`, padded with
    infinity; one more infinity follows them. `count` is a multiple of the vector's width. `repeated` is
    a literal: False promises that the thresholds differ, and saves half of the work.
    """
    if not isinstance(repeated, types.BooleanLiteral):
        raise RequireLiteralValue("repeated")
    twice = repeated.literal_value
    bits = scores.dtype.bitwidth
    n = lanes(bits // 8)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base, start, length, table, begin, _ = args
        kind = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), n)
        places = ir.VectorType(ir.IntType(bits), n)
        intp = context.get_value_type(types.intp)
        name = f"llvm.x86.avx512.vpermi2var.{'ps' if bits == 32 else 'pd'}.512"
        permute = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, [kind, places, kind]), name
        )

        def vector(pointer: Any, offset: Any) -> Any:
            place = builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer())
            return builder.load(place, align=bits // 8)

        def constant(number: int) -> Any:
            return ir.Constant(places, [number] * n)

        low, high = vector(table, begin), vector(table, builder.add(begin, intp(n)))

        def entry(place: Any) -> Any:
            return builder.call(permute, [low, place, high])

        def search(score: Any, predicate: str) -> Any:
            # Bisection: of the 2 n - 1 thresholds, how many are below (or up to) each score.
            passed, step = constant(0), n
            while step:
                middle = entry(builder.add(passed, constant(step - 1)))
                holds = builder.fcmp_ordered(predicate, middle, score)
                passed = builder.select(holds, builder.add(passed, constant(step)), passed)
                step //= 2
            return passed

        total = cgutils.alloca_once_value(builder, constant(0))
        with cgutils.for_range(builder, builder.udiv(length, intp(n)), intp=intp) as loop:
            offset = builder.add(start, builder.mul(loop.index, intp(n)))
            score = vector(base, offset)
            below = search(score, "<")
            if twice:
                pairs = builder.add(below, search(score, "<="))
            else:
                same = builder.fcmp_ordered("==", entry(below), score)
                pairs = builder.add(builder.add(below, below), builder.zext(same, places))
            builder.store(builder.add(builder.load(total), pairs), total)
        summed = builder.load(total)
        result = intp(0)
        for lane in range(n):
            one = builder.extract_element(summed, ir.IntType(32)(lane))
            result = builder.add(result, builder.zext(one, intp) if bits < 64 else one)
        return result

    whole = types.intp
    return whole(scores, whole, whole, sorted_, whole, repeated), build
