"""The page on the ladder of GPU kernels, in numbers that need no card: counted, compiled, predicted.

Run as `python -m halfstep.bench.gpu.static.page docs/gpu-kernels.md`. Bytes and operations are those of
`counts`; registers and shared memory are NVRTC's for compute capability 9.0; the predictions follow.
"""

from __future__ import annotations

import sys
from pathlib import Path

from halfstep.bench.gpu.shapes import SHAPES
from halfstep.bench.gpu.static.compiler import compile_kernels, nvrtc_version, why_not
from halfstep.bench.gpu.static.counts import STEPS, WHITENED_STEPS, dense, per_entry, per_row
from halfstep.files import whole_file
from halfstep.kernels.cuda.backend import source
from halfstep.kernels.cuda.catalogue import factor_per_thread
from halfstep.kernels.cuda.lanes import LARGE_WARPS, lanes

FACTORS = 128
SHAPE = SHAPES["lastfm-360k"]
# An H200: measured copy bandwidth, float32 peak of 132 multiprocessors x 128 x 2 x 1.755 GHz, and the
# share of the peak that a good float32 product reaches.
BANDWIDTH, CLOCK, MULTIPROCESSORS, DENSE_SHARE = 4.3e12, 1.755e9, 132, 0.8
PEAK = MULTIPROCESSORS * 128 * 2 * CLOCK
REGISTERS, SHARED, WARPS, BLOCKS = 65536, 227 * 1024, 64, 32
# Cycles from one dot product of a block to the next: the latency of ten shuffles and two barriers.
BARRIER_CYCLES = 320

# (kernel, file, rung)
_KERNELS = (
    ("cg_1_naive", "cg_1_naive.cu", "gpu_cg_1_naive"),
    ("cg_2_whitened", "cg_2_whitened.cu", "gpu_cg_2_whitened"),
    ("cg_3_warps", "cg_3_warps.cu", "gpu_cg_3_warps"),
    ("cg_4_shared", "cg_4_shared.cu", "gpu_cg_4_shared"),
    ("cg_5_short", "cg_5_binned.cu", "gpu_cg_5_binned"),
    ("cg_5_long", "cg_5_binned.cu", "gpu_cg_5_binned"),
    ("cg_6_residual", "cg_6_split.cu", "gpu_cg_6_split"),
    ("cg_6_product", "cg_6_split.cu", "gpu_cg_6_split"),
    ("cg_6_advance", "cg_6_split.cu", "gpu_cg_6_split"),
    ("cg_4_shared", "cg_4_shared.cu", "gpu_cg_7_half"),
    ("cg_5_short", "cg_5_binned.cu", "gpu_cg_7_half"),
    ("cg_5_long", "cg_5_binned.cu", "gpu_cg_7_half"),
    ("cg_6_product", "cg_6_split.cu", "gpu_cg_7_half"),
)
_LARGE = {"cg_5_long", "cg_6_residual", "cg_6_product", "cg_6_advance"}
_HEAD = f"""# The GPU ladder, counted

Written by `python -m halfstep.bench.gpu.static.page`; f = {FACTORS}, float32 factors. Nothing here was
measured on a card. Bytes and floating-point operations are counted per stored entry and half-step;
registers, shared memory and spills are the compiler's for compute capability 9.0, occupancy follows
from them, as resident warps of {WARPS}.
"""


def kernels_table() -> list[str]:
    """Return the table of compiled kernels, a line for each."""
    lines = [
        "| rung | kernel | stored | registers | spills | shared memory a block | threads | occupancy |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kernel, file, rung in _KERNELS:
        stored = "float16" if rung == "gpu_cg_7_half" else "float32"
        if rung in ("gpu_cg_1_naive", "gpu_cg_2_whitened"):
            defines, threads, dynamic = factor_per_thread(FACTORS, "float32"), FACTORS, 0
        else:
            large = kernel in _LARGE
            layout = (
                lanes(
                    FACTORS, stored, diagonal=False, warps=LARGE_WARPS, shared=SHARED // 2048 * 1024
                )
                if large
                else lanes(FACTORS, stored, diagonal=False)
            )
            defines, threads = layout.defines, 32 * layout.warps
            dynamic = {"cg_3": 0, "cg_6": layout.sums}.get(kernel[:4], layout.shared)
            if kernel in ("cg_4_shared", "cg_5_short"):
                dynamic = layout.shared - layout.sums
        found = compile_kernels(source(file), file, 90, defines)[kernel]
        shared = dynamic + found.shared
        warps = resident_warps(found.registers, shared, threads)
        lines.append(
            f"| {rung} | `{kernel}` | {stored} | {found.registers} | {found.spills} | {shared:,} | "
            f"{threads} | {warps} of {WARPS} |"
        )
    return lines


def resident_warps(registers: int, shared: int, threads: int) -> int:
    """Return how many warps of such blocks fit on a multiprocessor of compute capability 9.0."""
    warps = -(-threads // 32)
    per_warp = -(-registers * 32 // 256) * 256
    blocks = min(
        REGISTERS // per_warp // warps,
        (SHARED + 1024) // (shared + 1024),  # the system takes 1 KB a block
        WARPS // warps,
        BLOCKS,
    )
    return blocks * warps


def predictions() -> list[str]:
    """Return the table of predictions: bytes and operations an entry, milliseconds an iteration."""
    lines = [
        "| rung | bytes an entry | flops an entry | bytes | flops | barriers | Gramian, rotations | "
        "predicted |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for rung in dict.fromkeys(rung for _, _, rung in _KERNELS):
        entry = per_entry(rung, FACTORS)
        rows = per_row(rung, FACTORS).times(SHAPE.users + SHAPE.items)
        whole = entry.times(2 * SHAPE.entries) + rows
        turns = dense(rung, FACTORS, SHAPE.users, SHAPE.items)
        turns = turns + dense(rung, FACTORS, SHAPE.items, SHAPE.users)
        by_bytes, by_flops = whole.bytes / BANDWIDTH, whole.flops / PEAK
        passes = STEPS.get(rung, WHITENED_STEPS) + 1
        waits = 0.0
        if rung in ("gpu_cg_1_naive", "gpu_cg_2_whitened"):
            at_once = MULTIPROCESSORS * WARPS * 32 / FACTORS
            waits = 2 * SHAPE.entries * passes * BARRIER_CYCLES / at_once / CLOCK
        products = max(turns.flops / (PEAK * DENSE_SHARE), turns.bytes / BANDWIDTH)
        total = max(by_bytes, by_flops, waits) + products
        cells = (by_bytes, by_flops, waits, products, total)
        times = " | ".join(f"{1e3 * seconds:.2f} ms" if seconds else "–" for seconds in cells)
        lines.append(f"| {rung} | {entry.bytes:,.0f} | {entry.flops:,.0f} | {times} |")
    return lines


def page() -> str:
    """Return the whole page in Markdown."""
    shape = f"{SHAPE.users:,} users x {SHAPE.items:,} items, {SHAPE.entries:,} entries"
    foot = f"""
## What they predict

Milliseconds per iteration on an H200 for the shape of last.fm-360k
({shape}): bytes at {BANDWIDTH / 1e12:.1f} TB/s,
operations at {PEAK / 1e12:.0f} Tflop/s, in the first two rungs the latency of their barriers
({BARRIER_CYCLES} cycles a dot product, all threads resident), and cuBLAS at {DENSE_SHARE:.0%} of the
peak. These are limits, not estimates of what is reached: every row is taken to fit shared memory
where a rung keeps rows, every read to come from memory and none from a cache, and the products not to
overlap with the rest. Entries of rows longer than shared memory holds take
{per_entry("gpu_cg_7_half", FACTORS, gathered_once=False).bytes:,.0f} in place of
{per_entry("gpu_cg_7_half", FACTORS).bytes:,.0f} bytes in the last rung, as far as the second-level cache
does not hold them. From rung 5 on rows take the steps that they need, and what is counted is a mild
row, which has enough after one; each further step costs {4 * FACTORS} operations and 4 bytes an entry,
as long as shared memory holds its row.
"""
    compiler = f"\nCompiled by NVRTC {nvrtc_version()}.\n"
    return "\n".join([_HEAD, *kernels_table(), compiler, foot, *predictions(), ""])


if __name__ == "__main__":
    reason = why_not()
    if reason:
        sys.exit(reason)
    target = Path(sys.argv[1])
    with whole_file(target) as written:
        written.write(page().encode())
    print(target)
