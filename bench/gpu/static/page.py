"""The page on the ladder of GPU kernels, in numbers that need no card: counted, compiled, predicted.

Run as `python -m halfstep.bench.gpu.static.page docs/gpu-kernels.md`. Bytes are those of `counts`, issue
slots those of `issue`; registers and shared memory are NVRTC's for compute capability 9.0.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

from halfstep.bench.gpu.plan import rounds
from halfstep.bench.gpu.shapes import SHAPES
from halfstep.bench.gpu.static import issue
from halfstep.bench.gpu.static.compiler import compile_listed, nvrtc_version, why_not
from halfstep.bench.gpu.static.counts import per_entry
from halfstep.bench.gpu.static.forecast import (
    H100,
    H200,
    REALISTIC,
    forecast,
    row_lengths,
    slots_of_solution,
    stored_by,
)
from halfstep.bench.gpu.static.issue import FACTORS, Pass
from halfstep.bench.gpu.static.loops import KINDS
from halfstep.bench.gpu.static.selection import FACTORS as SLICE
from halfstep.bench.gpu.static.selection import PAIRS, slices
from halfstep.files import whole_file
from halfstep.kernels.cuda.catalogue import LARGEST_SHARED, factor_per_thread
from halfstep.kernels.cuda.lanes import LARGE_WARPS, lanes, systems, tiles
from halfstep.kernels.cuda.sources import source

F = 128
SHAPE = SHAPES["lastfm-360k"]
REGISTERS, SHARED, WARPS, BLOCKS = 65536, LARGEST_SHARED, 64, 32

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
    ("cg_8_warp", "cg_8_tensor.cu", "gpu_cg_8_tensor"),
    ("cg_8_block", "cg_8_tensor.cu", "gpu_cg_8_tensor"),
    ("cg_8_stream", "cg_8_stream.cu", "gpu_cg_8_tensor"),
    ("cg_8_product", "cg_8_stream.cu", "gpu_cg_8_tensor"),
    ("cg_9_row", "cg_9_gramian.cu", "gpu_cg_9_gramian"),
    ("cg_9_part", "cg_9_gramian.cu", "gpu_cg_9_gramian"),
    ("cg_9_solve", "cg_9_gramian.cu", "gpu_cg_9_gramian"),
)
_LARGE = {
    "cg_5_long",
    "cg_6_residual",
    "cg_6_product",
    "cg_6_advance",
    "cg_8_stream",
    "cg_8_product",
}
_HEAD = f"""# The GPU ladder, counted

Written by `python -m halfstep.bench.gpu.static.page`, from float32 factors. Nothing here was measured on
a card. Registers, shared memory, spills and instructions are the compiler's for compute capability 9.0;
occupancy follows from them, as resident warps of {WARPS}.

## The kernels, f = {F}
"""
_ISSUE = """
## Issue slots of a stored entry

Instructions of a warp for one stored entry and pass over a row: the length of the pass's loop over the
entries that one turn of it takes. A multiprocessor starts four in each cycle, whatever they do. *Kept*
entries are in shared memory after the first pass, the residual; *gathered* ones are read from memory in
every pass. Before: the kernels of `bench/gpu/static/before.json`, in which a loop took kept and gathered
entries alike. *System* is the pass of rung 9 over a long row, which forms the row's system; it is the
only one, whatever the row's weights.
"""
_SELECTION = f"""
## The best items of a query

The loop over factors of the kernels that select a query's best items: instructions of a warp for
{PAIRS:,} pairs of query and item and {SLICE} factors. `top_k` scores every pair in float32.
`top_k_coarse`, the option `coarse-top-k`, multiplies 16-bit copies on tensor cores, with four numbers
more a row for the bound of their error, in whole {SLICE}s, and scores in float32 only what that leaves.
"""
_PARTS = """
## What the instructions do, f = {f}

Conversions are between 16 bits and floats; exchange is between lanes. The rest is addresses, control and
choices.
"""


def kernels_table() -> list[str]:
    """Return the table of compiled kernels, a line for each."""
    lines = [
        "| rung | kernel | stored | registers | spills | shared memory a block | threads | occupancy |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kernel, file, rung in _KERNELS:
        stored = stored_by(rung)
        if rung in ("gpu_cg_1_naive", "gpu_cg_2_whitened"):
            defines, threads, dynamic = factor_per_thread(F, "float32"), F, 0
        elif rung == "gpu_cg_8_tensor":
            tile = tiles(F, diagonal=False, shared_limit=SHARED, large=kernel in _LARGE)
            defines, threads, dynamic = tile.defines, 32 * tile.warps, tile.shared
        elif rung == "gpu_cg_9_gramian":
            system = systems(F, shared_limit=SHARED)
            defines, threads, dynamic = system.defines, 32 * system.warps, system.shared
        else:
            large = kernel in _LARGE
            layout = (
                lanes(F, stored, diagonal=False, warps=LARGE_WARPS, shared=SHARED // 2048 * 1024)
                if large
                else lanes(F, stored, diagonal=False)
            )
            defines, threads = layout.defines, 32 * layout.warps
            dynamic = {"cg_3": 0, "cg_6": layout.sums}.get(kernel[:4], layout.shared)
            if kernel in ("cg_4_shared", "cg_5_short"):
                dynamic = layout.shared - layout.sums
        found = compile_listed(source(file), file, 90, defines)[0][kernel]
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


def issue_table(found: Sequence[Pass]) -> list[str]:
    """Return the table of issue slots, before and now, a line for each pass of a kernel."""
    before = issue.read_before()
    lines = [
        f"| rung | kernel | pass | {' | '.join(f'f = {f}' for f in FACTORS)} | spills |",
        f"| --- | --- | --- | {' | '.join('---:' for _ in FACTORS)} | ---: |",
    ]
    for rung, kernel, stored, mode, where in dict.fromkeys(
        (one.rung, one.kernel, one.stored, one.mode, one.where) for one in found
    ):
        cells, spills = [], 0
        for f in FACTORS:
            key = (rung, kernel, stored, f, mode, where)
            now = [one for one in found if astuple(one)[:6] == key]
            cells.append(_change(before.get(key), now[0].slots) if now else "–")
            spills = max([spills, *(one.spills for one in now)])
        lines.append(f"| {rung} | `{kernel}` | {mode}, {where} | {' | '.join(cells)} | {spills} |")
    return lines


def _change(before: float | None, now: float) -> str:
    return f"{now:.1f}" if before is None else f"{before:.1f} → {now:.1f}"


def kinds_table(found: Sequence[Pass]) -> list[str]:
    """Return the table of what instructions do, for the last rungs at f = `F`."""
    lines = [
        f"| rung | kernel | pass | {' | '.join(KINDS)} | registers |",
        f"| --- | --- | --- | {' | '.join('---:' for _ in KINDS)} | ---: |",
    ]
    for one in found:
        if one.factors == F and rounds(one.rung):
            cells = " | ".join(f"{one.kinds[kind]:.1f}" for kind in KINDS)
            lines.append(
                f"| {one.rung} | `{one.kernel}` | {one.mode}, {one.where} | {cells} | {one.registers} |"
            )
    return lines


def selection_table() -> list[str]:
    """Return the table of the loops that score items for queries, a line for each kernel."""
    lines = [
        "| kernel | queries a block | instructions a turn | slots | registers | spills | "
        "shared memory a block | occupancy |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in slices(F):
        warps = resident_warps(one.registers, one.shared, one.threads)
        lines.append(
            f"| `{one.kernel}` | {one.queries} | {one.turn} | {one.slots:.0f} | {one.registers} | "
            f"{one.spills} | {one.shared:,} | {warps} of {WARPS} |"
        )
    return lines


def forecast_table(found: Sequence[Pass]) -> list[str]:
    """Return the table of forecasts, milliseconds an iteration."""
    lengths = row_lengths(SHAPE)
    lines = [
        "| card | rung | f | passes | bytes | issue, all slots | products | products, TF32 | in all |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for card in (H100, H200):
        for rung in ("gpu_cg_6_split", "gpu_cg_7_half", "gpu_cg_8_tensor", "gpu_cg_9_gramian"):
            for f in FACTORS:
                for passes in (2, 3, 5):
                    one = forecast(card, rung, f, SHAPE, lengths, passes, found)
                    cells = " | ".join(f"{1e3 * s:.1f}" for s in (*one, one.total()))
                    lines.append(f"| {card.name} | {rung} | {f} | {passes} | {cells} |")
    return lines


def page() -> str:
    """Return the whole page in Markdown."""
    found = issue.passes()
    once, every = (per_entry("gpu_cg_7_half", F, gathered_once=g).bytes for g in (True, False))
    foot = f"""
## What this predicts

Milliseconds of an iteration on data with the degrees and the popularity of last.fm-360k
({SHAPE.users:,} users x {SHAPE.items:,} items). Bytes at the card's measured copy rate: a mild row's
entry moves {once:,.0f} bytes in the 16-bit rungs at f = {F}, and {every:,.0f} in a row that shared
memory does not keep. Issue slots at four in each cycle of each multiprocessor. The products are the
Gramian and three rotations by cuBLAS in float32 at 45 Tflop/s, or with the rotations in TF32. In all:
the larger of bytes and issue at {REALISTIC:.0%} of the slots, and the float32 products. Left out: what
the second-level cache saves, the arithmetic of a row beside its entries, and the host. A mild row takes
two passes, a row of heavier weights three or more. In `gpu_cg_9_gramian` a row of more than f^2 / 16
entries that shared memory does not keep takes one, and the slots of its solution: about
{slots_of_solution(F):,.0f} at f = {F}.
"""
    return "\n".join(
        [
            _HEAD, *kernels_table(), f"\nCompiled by NVRTC {nvrtc_version()}.", _ISSUE,
            *issue_table(found), _PARTS.format(f=F), *kinds_table(found), foot,
            *forecast_table(found), _SELECTION, *selection_table(), "",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    reason = why_not()
    if reason:
        sys.exit(reason)
    target = Path(sys.argv[1])
    with whole_file(target) as written:
        written.write(page().encode())
    print(target)
