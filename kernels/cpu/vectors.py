"""SIMD vectors as values inside Numba functions: `load`, `fma`, `store` and a few more.

The CPU's loops are dot products and updates of a few hundred numbers. LLVM's vectoriser does not keep
several accumulators in registers across a tile of rows, so the loops name their vectors. A `Vector` is
LLVM's `<16 x float>` or `<8 x double>` where the host has AVX-512, and half as wide elsewhere. A width
that the host lacks is legal too: LLVM splits it.

What touches memory takes a pointer (an array's `address`) and an offset. Nothing checks the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import types as numba_types
from numba.core import cgutils as numba_cgutils
from numba.core import config
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic, models, register_model

# Numba's own type hints are incomplete.
types: Any = numba_types
cgutils: Any = numba_cgutils
# Typed loosely: a builtin's first argument is Numba's, and callers do not pass it.
builtin: Callable[[Callable[..., Any]], Any] = intrinsic


def has_avx512() -> bool:
    """Return whether Numba may use AVX-512: by NUMBA_CPU_FEATURES if it is set, else the processor."""
    features = getattr(config, "CPU_FEATURES", None)  # the environment variable NUMBA_CPU_FEATURES
    if features is not None:
        return "+avx512f" in features.split(",")
    return bool(binding.get_host_cpu_features().get("avx512f"))


# Emulators and old processors may report no features at all; 32 bytes are right for them too.
_BYTES = 64 if has_avx512() else 32
# Rows of a tile in `outer` whose sums fit the registers: 32 registers with AVX-512, 16 elsewhere.
_TALL = 8 if _BYTES == 64 else 4


def lanes(itemsize: int) -> int:
    """Return how many numbers of `itemsize` bytes a vector holds."""
    return _BYTES // itemsize


class Vector(numba_types.Type):
    """Numba type of a vector of floats."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.lanes = lanes(dtype.bitwidth // 8)
        super().__init__(name=f"Vector({dtype}, {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        element = ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))  # type: ignore[no-untyped-call]


def _vector_pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind = context.get_value_type(Vector(signature.args[0].dtype))
    return builder.bitcast(builder.gep(args[0], [args[1]]), kind.as_pointer())


def _shuffled(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
    return builder.shuffle_vector(a, b, mask)


def _splatted(builder: Any, kind: Any, value: Any) -> Any:
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    return _shuffled(builder, one, one, [0] * kind.count)


def _fused(builder: Any, kind: Any) -> Any:
    bits = 32 if isinstance(kind.element, ir.FloatType) else 64
    name = f"llvm.fma.v{kind.count}f{bits}"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)


@builtin
def address(typing: Any, array: Any) -> Any:
    """Return the pointer to the first element of a contiguous array, which must be kept alive."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(array)(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), build


@builtin
def load(typing: Any, pointer: Any, offset: Any) -> Any:
    """Return the vector at `pointer[offset:]`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _vector_pointer(context, builder, signature, args)
        return builder.load(target, align=pointer.dtype.bitwidth // 8)

    return Vector(pointer.dtype)(pointer, types.intp), build


@builtin
def store(typing: Any, pointer: Any, offset: Any, vector: Any) -> Any:
    """Write `vector` to `pointer[offset:]`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _vector_pointer(context, builder, signature, args)
        builder.store(args[2], target, align=pointer.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(pointer, types.intp, vector), build


@builtin
def item(typing: Any, pointer: Any, offset: Any) -> Any:
    """Return `pointer[offset]`, without Numba's test for a negative offset, which hinders vectors."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = builder.gep(args[0], [args[1]])
        return builder.load(target, align=pointer.dtype.bitwidth // 8)

    return pointer.dtype(pointer, types.intp), build


@builtin
def put(typing: Any, pointer: Any, offset: Any, value: Any) -> Any:
    """Write `value` to `pointer[offset]`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = builder.gep(args[0], [args[1]])
        builder.store(args[2], target, align=pointer.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(pointer, types.intp, pointer.dtype), build


@builtin
def splat(typing: Any, pointer: Any, value: Any) -> Any:
    """Return a vector of `pointer`'s dtype whose lanes all hold `value`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        return _splatted(builder, kind, args[1])

    return Vector(pointer.dtype)(pointer, pointer.dtype), build


@builtin
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.call(_fused(builder, args[0].type), args)

    return a(a, b, c), build


@builtin
def multiply(typing: Any, a: Any, b: Any) -> Any:
    """Return a * b."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args)

    return a(a, b), build


@builtin
def add(typing: Any, a: Any, b: Any) -> Any:
    """Return a + b."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args)

    return a(a, b), build


@builtin
def store_sums(typing: Any, pointer: Any, offset: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Write the sums of the lanes of a, b, c and d to `pointer[offset : offset + 4]`.

    Folding four vectors into one takes nine shuffles; summing them one by one takes sixteen.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def fold(x: Any, y: Any, piece: int) -> Any:
            # Each run of `piece` lanes becomes its two halves' sum; x's runs stay before y's.
            low = [i for i in range(2 * n) if i % piece < piece // 2]
            high = [i + piece // 2 for i in low]
            return builder.fadd(_shuffled(builder, x, y, low), _shuffled(builder, x, y, high))

        n = args[2].type.count
        total = fold(fold(args[2], args[3], n), fold(args[4], args[5], n), n // 2)
        distance = n // 8
        while distance:
            other = _shuffled(builder, total, total, [i ^ distance for i in range(n)])
            total = builder.fadd(total, other)
            distance //= 2
        four = _shuffled(builder, total, total, list(range(0, n, n // 4)))
        target = builder.bitcast(builder.gep(args[0], [args[1]]), four.type.as_pointer())
        builder.store(four, target, align=pointer.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(pointer, types.intp, a, b, c, d), build


@builtin
def prefetch(typing: Any, pointer: Any, offset: Any) -> Any:
    """Prefetch the cache line of `pointer[offset]`; never faults."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = builder.bitcast(builder.gep(args[0], [args[1]]), ir.IntType(8).as_pointer())
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [target.type, i32, i32, i32])
        function = builder.module.declare_intrinsic("llvm.prefetch", [target.type], kind)
        builder.call(function, [target, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(pointer, types.intp), build


@builtin
def width(typing: Any, pointer: Any) -> Any:
    """Return how many lanes a vector of `pointer`'s dtype has: a constant to the compiler."""
    count = lanes(pointer.dtype.bitwidth // 8)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, count)

    return types.intp(pointer), build


@builtin
def outer(
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
    vectors: Any,
) -> Any:
    """Add left[e, :8]' right[e, :vectors * lanes], summed over e < count, to a tile of S.

    The rows of `left` and `right` are `stride` apart, those of S `ld`; `vectors` is 1 or 2, a literal.
    The tile's sums stay in registers over all e, for eight rows of it at a time or for four, as many as
    there are registers for.
    """
    if not isinstance(vectors, types.IntegerLiteral):
        raise RequireLiteralValue("vectors")
    columns = vectors.literal_value

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left_, l_0, right_, r_0, stride_, count_, target, c_0, ld_, _ = args
        kind = context.get_value_type(Vector(S.dtype))
        align = S.dtype.bitwidth // 8
        fused = _fused(builder, kind)

        def vector_at(base: Any, offset: Any, column: int) -> Any:
            place = builder.gep(base, [builder.add(offset, intp(column * kind.count))])
            return builder.bitcast(place, kind.as_pointer())

        intp = context.get_value_type(types.intp)
        for top in range(0, 8, _TALL):
            lines = range(top, top + _TALL)
            places, sums = [], []
            for row in lines:
                offset = builder.add(c_0, builder.mul(ld_, intp(row)))
                places.append([vector_at(target, offset, column) for column in range(columns)])
                sums.append([cgutils.alloca_once(builder, kind) for _ in range(columns)])
                for place, total in zip(places[-1], sums[-1], strict=True):
                    builder.store(builder.load(place, align=align), total)
            with cgutils.for_range(builder, count_, intp=intp) as loop:
                start = builder.mul(loop.index, stride_)
                r_e, l_e = builder.add(r_0, start), builder.add(l_0, start)
                z = [builder.load(vector_at(right_, r_e, c), align=align) for c in range(columns)]
                for row, totals in zip(lines, sums, strict=True):
                    one = builder.load(
                        builder.gep(left_, [builder.add(l_e, intp(row))]), align=align
                    )
                    factor = _splatted(builder, kind, one)
                    for column, total in enumerate(totals):
                        value = builder.call(fused, [factor, z[column], builder.load(total)])
                        builder.store(value, total)
            for totals, line in zip(sums, places, strict=True):
                for place, total in zip(line, totals, strict=True):
                    builder.store(builder.load(total), place, align=align)
        return context.get_dummy_value()

    whole = types.intp
    return types.void(left, whole, right, whole, whole, whole, S, whole, whole, vectors), build
