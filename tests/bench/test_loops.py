"""What is read from a disassembler's listing, and what it says of kernels that are compiled here."""

import numpy as np
import pytest

from halfstep.bench.gpu.shapes import SHAPES, generate
from halfstep.bench.gpu.static import issue
from halfstep.bench.gpu.static.compiler import compile_listed, why_not
from halfstep.bench.gpu.static.forecast import H100, Forecast, forecast, row_lengths
from halfstep.bench.gpu.static.loops import KINDS, innermost_loops
from halfstep.bench.gpu.static.selection import slices

LISTING = """
.text.other:
        /*0000*/                   FADD R0, R0, R1 ;
.text.twice:
.L_x_0:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_1:
        /*0010*/                   LDG.E.128.CONSTANT R4, desc[UR4][R2.64] ;
        /*0020*/              @!P0 FFMA.FTZ R0, R4, R5, R0 ;
        /*0030*/                   F2FP.F16.F32.PACK_AB R6, R0, R1 ;
        /*0040*/               @P0 BRA `(.L_x_1) ;
        /*0050*/                   SHFL.BFLY PT, R2, R0, 0x1, 0x1f ;
        /*0060*/               @P1 BRA `(.L_x_0) ;
        /*0070*/                   EXIT ;
.L_x_2:
        /*0080*/                   BRA `(.L_x_2);
"""


def test_the_innermost_loops_of_a_kernel_are_found():
    (loop,) = innermost_loops(LISTING, "twice")
    assert loop.length == 4
    assert loop.has("LDG.128")
    assert not loop.has("SHFL")
    assert loop.by_kind() == {
        "arithmetic": 1, "conversions": 1, "exchange": 0, "memory": 1, "other": 1
    }  # fmt: skip
    assert innermost_loops(LISTING, "other") == []
    with pytest.raises(KeyError):
        innermost_loops(LISTING, "absent")


def test_the_passes_of_a_kernel_are_told_apart():
    if why_not() or not compile_listed('extern "C" __global__ void k() {}', "k.cu", 90)[1]:
        pytest.skip("NVRTC and the disassembler are needed")
    kernels = [k for k in issue.KERNELS if k[1] in ("cg_4_shared", "cg_8_block")]
    found = issue.passes(kernels[1:], (64,))
    what = [(one.kernel, one.mode, one.where) for one in found]
    every = [(mode, where) for mode in ("residual", "product") for where in ("kept", "gathered")]
    assert what == [
        *(("cg_4_shared", *one) for one in every),
        ("cg_8_block", "residual", "kept"),
        ("cg_8_block", "product", "kept"),
    ]
    assert [one.entries for one in found] == 6 * [16]
    for one in found:
        assert sum(one.kinds.values()) == pytest.approx(one.slots)
        assert set(one.kinds) == set(KINDS)
        # 64 factors: two multiply-adds for each, 32 lanes; or 16 entries in 8 products.
        assert one.kinds["arithmetic"] >= (4.0 if one.kernel == "cg_4_shared" else 0.5)
        assert one.slots < 20


def test_rows_are_as_long_as_the_generated_ones():
    shape = SHAPES["small"]
    lengths, matrix = row_lengths(shape), generate(shape)
    for entries, rows, found in zip(
        lengths.entries,
        lengths.rows,
        (np.diff(matrix.indptr), np.bincount(matrix.indices)),
        strict=True,
    ):
        assert float((entries * rows).sum()) == pytest.approx(matrix.nnz, rel=0.01)
        for longer in (50, 200):
            part = float((entries * rows)[entries > longer].sum())
            assert part == pytest.approx(found[found > longer].sum(), rel=0.05)


def test_a_forecast_is_the_larger_of_bytes_and_issue():
    assert Forecast(2e-3, 1e-3, 1e-3, 1e-4).total() == pytest.approx(3e-3)
    assert Forecast(1e-3, 1.1e-3, 1e-3, 1e-4).total() == pytest.approx(3e-3)
    shape = SHAPES["small"]
    passes = [
        issue.Pass("gpu_cg_7_half", "k", "float16", 128, mode, where, 8, 20.0, {}, 128, 0)
        for mode in ("residual", "product")
        for where in ("kept", "gathered")
    ]
    two, three = (
        forecast(H100, "gpu_cg_7_half", 128, shape, row_lengths(shape), n, passes) for n in (2, 3)
    )
    entries = 2 * generate(shape).nnz
    assert two.slots == pytest.approx(entries * 40 / H100.slots, rel=0.01)
    assert three.slots == pytest.approx(1.5 * two.slots)
    assert two.bytes * H100.bandwidth > entries * 256


@pytest.mark.kernels
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_the_coarse_selection_scores_in_few_instructions_without_spills():
    exact, *coarse = slices()
    assert (exact.kernel, exact.queries) == ("top_k", 32)
    assert 256 / exact.turn > 0.6  # of its instructions, multiply-adds
    for one in coarse:
        assert 6 / 16 * 8 < one.slots < exact.slots / 30
        assert one.spills == 0
        assert one.registers * one.threads <= 65536
