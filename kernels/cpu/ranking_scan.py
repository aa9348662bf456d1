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
    _TALL,
    Vector,
    _fused,
    _shuffled,
    _splatted,
    _vector_pointer,
    builtin,
    cgutils,
    has_avx512,
    lanes,
    types,
)

SEARCHES = has_avx512()


@builtin
def above(typing: Any, pointer: Any, offset: Any, limit: Any) -> Any:
    """Return an integer whose bit i tells whether `pointer[offset + i]` is above `limit`."""
    return _lanes_that(">", pointer)


@builtin
def reaching(typing: Any, pointer: Any, offset: Any, limit: Any) -> Any:
    """Return an integer whose bit i tells whether `pointer[offset + i]` is at least `limit`."""
    return _lanes_that(">=", pointer)


def _lanes_that(predicate: str, pointer: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _vector_pointer(context, builder, signature, args)
        vector = builder.load(place, align=pointer.dtype.bitwidth // 8)
        lanes_ = builder.fcmp_ordered(predicate, vector, _splatted(builder, vector.type, args[2]))
        mask = builder.bitcast(lanes_, ir.IntType(vector.type.count))
        return builder.zext(mask, context.get_value_type(types.intp))

    return types.intp(pointer, types.intp, pointer.dtype), build


@builtin
def lowest_bit(typing: Any, bits: Any) -> Any:
    """Return the number of zero bits below the lowest one that is set, of an integer that is not 0."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.intp(types.intp), build


@builtin
def ones(typing: Any, bits: Any) -> Any:
    """Return how many bits of an integer are set."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.intp(types.intp), build


@builtin
def compressed(typing: Any, pointer: Any, source: Any, target: Any, limit: Any) -> Any:
    """Move those of the vector at `pointer[source:]` that reach `limit` to `target`; return how many.

    They keep their order. The rest of the vector at `target`, which must not be beyond `source`, becomes
    -inf. AVX-512 only.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base, source_, target_, least = args
        align = pointer.dtype.bitwidth // 8
        vector = builder.load(
            _vector_pointer(context, builder, signature, [base, source_]), align=align
        )
        kind, count = vector.type, vector.type.count
        kept = builder.fcmp_ordered(">=", vector, _splatted(builder, kind, least))
        lowest = ir.Constant(kind, [float("-inf")] * count)
        name = f"llvm.x86.avx512.mask.compress.v{count}f{align * 8}"
        moved = builder.call(
            cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind, kind, kept.type]), name
            ),
            [vector, lowest, kept],
        )
        builder.store(
            moved, _vector_pointer(context, builder, signature, [base, target_]), align=align
        )
        mask = builder.bitcast(kept, ir.IntType(count))
        return builder.zext(builder.ctpop(mask), context.get_value_type(types.intp))

    whole = types.intp
    return whole(pointer, whole, whole, pointer.dtype), build


@builtin
def ranks(
    typing: Any,
    scores: Any,
    at: Any,
    count: Any,
    sorted_: Any,
    first: Any,
    steps: Any,
    repeated: Any,
) -> Any:
    """Return the sum over `scores[at : at + count]` of #{p < s} + #{p <= s}.

    The thresholds p are the 2^steps - 1 ascending numbers at `sorted_[first:]`, padded with infinity;
    from there on two vectors can be read, of which those beyond the thresholds hold infinity. `count` is
    a multiple of the vector's width. `steps` is a literal: 2 or 3, or 1 for as many as a search of one
    vector takes, 0 of two. `repeated` is a literal: False promises that the thresholds differ, and saves
    half of the work. AVX-512 only.
    """
    if not isinstance(repeated, types.BooleanLiteral):
        raise RequireLiteralValue("repeated")
    if not isinstance(steps, types.IntegerLiteral):
        raise RequireLiteralValue("steps")
    twice = repeated.literal_value
    bits = scores.dtype.bitwidth
    n = lanes(bits // 8)
    depth = steps.literal_value
    if depth < 2:
        depth = n.bit_length() - depth
    one_vector = (
        2**depth <= n
    )  # thresholds that fit one vector are permuted by a cheaper instruction

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        base, start, length, table, begin, _, _ = args
        kind = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), n)
        places = ir.VectorType(ir.IntType(bits), n)
        intp = context.get_value_type(types.intp)
        letters = "ps" if bits == 32 else "pd"
        if one_vector:
            name = f"llvm.x86.avx512.permvar.{'sf' if bits == 32 else 'df'}.512"
            takes = [kind, places]
        else:
            name = f"llvm.x86.avx512.vpermi2var.{letters}.512"
            takes = [kind, places, kind]
        permute = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, takes), name)

        def vector(pointer: Any, offset: Any) -> Any:
            place = builder.bitcast(builder.gep(pointer, [offset]), kind.as_pointer())
            return builder.load(place, align=bits // 8)

        def constant(number: int) -> Any:
            return ir.Constant(places, [number] * n)

        def shifted(distance: int) -> list[Any]:
            # A table that begins `distance` later saves an addition for each look-up in it.
            if one_vector:
                order = [(lane + distance) % n for lane in range(n)]
                return [_shuffled(builder, low, low, order)]
            order = [(lane + distance) % (2 * n) for lane in range(2 * n)]
            return [
                _shuffled(builder, low, high, order[:n]),
                _shuffled(builder, low, high, order[n:]),
            ]

        low, high = vector(table, begin), vector(table, builder.add(begin, intp(n)))
        distances = [2 ** (depth - 1 - level) - 1 for level in range(depth)]
        tables = {distance: shifted(distance) for distance in distances}
        middle = builder.extract_element(
            low if distances[0] < n else high, ir.IntType(32)(distances[0] % n)
        )
        middle = _splatted(builder, kind, middle)

        def entry(place: Any, distance: int) -> Any:
            head, *rest = tables[distance]
            return builder.call(permute, [head, place, *rest])

        def search(score: Any, predicate: str) -> Any:
            # Bisection: how many of the thresholds are below (or up to) each score.
            passed = constant(0)
            for distance in distances:
                threshold = middle if distance == distances[0] else entry(passed, distance)
                holds = builder.fcmp_ordered(predicate, threshold, score)
                further = builder.add(passed, constant(distance + 1))
                passed = builder.select(holds, further, passed)
            return passed

        total, same = (cgutils.alloca_once_value(builder, constant(0)) for _ in range(2))

        def run(offset: Any) -> None:
            score = vector(base, offset)
            below = search(score, "<")
            builder.store(builder.add(builder.load(total), below), total)
            if twice:
                more = search(score, "<=")
            else:
                equal = builder.fcmp_ordered("==", entry(below, 0), score)
                more = builder.select(equal, constant(1), constant(0))
            builder.store(builder.add(builder.load(same), more), same)

        # Four searches at once: each is a chain of steps that wait for each other.
        vectors = builder.udiv(length, intp(n))
        with cgutils.for_range(builder, builder.udiv(vectors, intp(4)), intp=intp) as loop:
            for part in range(4):
                passed = builder.add(builder.mul(loop.index, intp(4)), intp(part))
                run(builder.add(start, builder.mul(passed, intp(n))))
        done = builder.and_(vectors, intp(-4))
        with cgutils.for_range(builder, builder.sub(vectors, done), intp=intp) as loop:
            run(builder.add(start, builder.mul(builder.add(done, loop.index), intp(n))))
        below, more = builder.load(total), builder.load(same)
        summed = builder.add(more, below if twice else builder.add(below, below))
        name = f"llvm.vector.reduce.add.v{n}i{bits}"
        reduced = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(bits), [places]), name
        )
        result = builder.call(reduced, [summed])
        return builder.zext(result, intp) if bits < 64 else result

    whole = types.intp
    return whole(scores, whole, whole, sorted_, whole, steps, repeated), build


@builtin
def tile(
    typing: Any,
    left: Any,
    l_at: Any,
    right: Any,
    r_at: Any,
    stride: Any,
    count: Any,
    S: Any,
    c_at: Any,
    ld: Any,
) -> Any:
    """Write left[e, :8]' right[e, :2 lanes], summed over e < count in this order, to a tile of S.

    Rows of `left` are 8 apart, those of `right` `stride`, those of S `ld`. It differs from `outer` in
    that S is written only: it need not be cleared before.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left_, l_0, right_, r_0, stride_, count_, target, c_0, ld_ = args
        kind = context.get_value_type(Vector(S.dtype))
        align = S.dtype.bitwidth // 8
        fused = _fused(builder, kind)
        intp = context.get_value_type(types.intp)

        def vector_at(base: Any, offset: Any, column: int) -> Any:
            place = builder.gep(base, [builder.add(offset, intp(column * kind.count))])
            return builder.bitcast(place, kind.as_pointer())

        for top in range(0, 8, _TALL):
            zero = ir.Constant(kind, [0.0] * kind.count)
            sums = [
                [cgutils.alloca_once_value(builder, zero) for _ in range(2)] for _ in range(_TALL)
            ]
            for total in (each for pair in sums for each in pair):
                builder.store(zero, total)
            with cgutils.for_range(builder, count_, intp=intp) as loop:
                r_e = builder.add(r_0, builder.mul(loop.index, stride_))
                l_e = builder.add(l_0, builder.mul(loop.index, intp(8)))
                z = [builder.load(vector_at(right_, r_e, c), align=align) for c in range(2)]
                for row, totals in enumerate(sums, top):
                    one = builder.load(
                        builder.gep(left_, [builder.add(l_e, intp(row))]), align=align
                    )
                    factor = _splatted(builder, kind, one)
                    for column, total in enumerate(totals):
                        value = builder.call(fused, [factor, z[column], builder.load(total)])
                        builder.store(value, total)
            for row, totals in enumerate(sums, top):
                offset = builder.add(c_0, builder.mul(ld_, intp(row)))
                for column, total in enumerate(totals):
                    builder.store(
                        builder.load(total), vector_at(target, offset, column), align=align
                    )
        return context.get_dummy_value()

    whole = types.intp
    return types.void(left, whole, right, whole, whole, whole, S, whole, whole), build
