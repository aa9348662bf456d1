"""Issue slots, bytes and spills of a stored entry in the passes of the GPU's CG rungs.

Run as `python -m halfstep.bench.gpu.static.issue FILE [--kernels FOLDER]`, without a GPU; FOLDER holds
other versions of the `.cu` files, to compare with. A multiprocessor of compute capability 9.0 starts
four instructions of a warp in each cycle, whatever they do; so many slots are what a pass must not use
up before its bytes have arrived.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from halfstep.bench.gpu.static.compiler import compile_listed, nvrtc_version, why_not
from halfstep.bench.gpu.static.loops import Loop, innermost_loops
from halfstep.files import whole_file
from halfstep.kernels.cuda.catalogue import LARGEST_SHARED
from halfstep.kernels.cuda.lanes import LARGE_WARPS, STAGE, lanes, systems, tiles
from halfstep.kernels.cuda.sources import source

FACTORS = (64, 128, 256)
BEFORE = Path(__file__).with_name("before.json")
_INCLUDE = re.compile(r'^#include "([\w.]+)"$', re.MULTILINE)
_LARGE = {"cg_5_long", "cg_6_residual", "cg_6_product", "cg_8_stream"}
# (rung, kernel, file, stored)
KERNELS = (
    ("gpu_cg_3_warps", "cg_3_warps", "cg_3_warps.cu", "float32"),
    ("gpu_cg_4_shared", "cg_4_shared", "cg_4_shared.cu", "float32"),
    ("gpu_cg_5_binned", "cg_5_short", "cg_5_binned.cu", "float32"),
    ("gpu_cg_5_binned", "cg_5_long", "cg_5_binned.cu", "float32"),
    ("gpu_cg_6_split", "cg_6_residual", "cg_6_split.cu", "float32"),
    ("gpu_cg_6_split", "cg_6_product", "cg_6_split.cu", "float32"),
    ("gpu_cg_7_half", "cg_4_shared", "cg_4_shared.cu", "float16"),
    ("gpu_cg_7_half", "cg_5_short", "cg_5_binned.cu", "float16"),
    ("gpu_cg_7_half", "cg_5_long", "cg_5_binned.cu", "float16"),
    ("gpu_cg_7_half", "cg_6_residual", "cg_6_split.cu", "float16"),
    ("gpu_cg_7_half", "cg_6_product", "cg_6_split.cu", "float16"),
    ("gpu_cg_8_tensor", "cg_8_warp", "cg_8_tensor.cu", "float16"),
    ("gpu_cg_8_tensor", "cg_8_block", "cg_8_tensor.cu", "float16"),
    ("gpu_cg_8_tensor", "cg_8_stream", "cg_8_stream.cu", "float16"),
    ("gpu_cg_9_gramian", "cg_9_part", "cg_9_gramian.cu", "float16"),
)


@dataclass(frozen=True)
class Pass:
    """A pass over stored entries in one kernel.

    Attributes
    ----------
    mode
        "residual" or "product"; "system" where the pass forms a row's system.
    where
        "kept" in shared memory, or "gathered".
    entries
        Stored entries that a warp takes in one turn of the loop; its share, if the warps of a block
        take the same.
    slots
        Instructions of a warp per stored entry.
    kinds
        Of these, those of each of `loops.KINDS`.
    registers, spills
        Of the kernel: registers a lane, bytes of spills.
    """

    rung: str
    kernel: str
    stored: str
    factors: int
    mode: str
    where: str
    entries: float
    slots: float
    kinds: dict[str, float]
    registers: int
    spills: int


def passes(
    kernels: Iterable[tuple[str, str, str, str]] = KERNELS,
    factors: Iterable[int] = FACTORS,
    folder: Path | None = None,
) -> list[Pass]:
    """Compile the kernels for compute capability 9.0 and return their passes."""
    return [one for f in factors for kernel in kernels for one in _passes(*kernel, f, folder)]


def _passes(
    rung: str, kernel: str, file: str, stored: str, f: int, folder: Path | None
) -> list[Pass]:
    if folder is not None and not (folder / file).exists():
        return []
    defines, entries = layout(kernel, stored, f)
    text = source(file) if folder is None else _source(folder, file)
    kernels, listing = compile_listed(text, file, 90, defines)
    compiled = kernels[kernel]
    loops = [loop for loop in innermost_loops(listing, kernel) if _is_pass(loop)]
    found, gathers = [], 0
    for loop in loops:
        where, mode = _kind_of(loop, kernel)
        if mode is None:  # the residual's loop stands before the product's
            mode = "product" if gathers else "residual"
            gathers += 1
        kinds = {kind: count / entries for kind, count in loop.by_kind().items()}
        found.append(
            Pass(
                rung,
                kernel,
                stored,
                f,
                mode,
                where,
                entries,
                loop.length / entries,
                kinds,
                compiled.registers,
                compiled.spills,
            )
        )
    return found


def layout(kernel: str, stored: str, f: int) -> tuple[tuple[str, ...], float]:
    """Return a kernel's definitions, and the stored entries of one turn of its loop."""
    large = kernel in _LARGE
    if kernel.startswith("cg_8"):
        found = tiles(f, diagonal=False, shared_limit=LARGEST_SHARED, large=large)
        return found.defines, 16
    if kernel.startswith("cg_9"):
        of_system = systems(f, shared_limit=LARGEST_SHARED)
        return of_system.defines, STAGE / of_system.warps
    more = {"warps": LARGE_WARPS, "shared": LARGEST_SHARED // 2048 * 1024} if large else {}
    lane = lanes(f, stored, diagonal=False, **more)
    ahead = {1: 4, 2: 2, 3: 2}.get(lane.chunks, 1)  # AHEAD of entries.cuh
    return lane.defines, 32 // lane.group * ahead


def _is_pass(loop: Loop) -> bool:
    """Return whether a loop passes over entries.

    Vectors of parts and of warps are added up in loops without products. Where lanes part ways the
    compiler writes slow copies of exchanges, with a barrier before each.
    """
    products = loop.has("HMMA") or loop.instructions["FFMA"] > 8
    return products and not loop.has("ENDCOLLECTIVE")


def _kind_of(loop: Loop, kernel: str) -> tuple[str, str | None]:
    """Return where a pass finds its entries, and its mode where that can be seen."""
    for mode in ("residual", "product"):
        if kernel.endswith(mode):
            return "gathered", mode
    if kernel.startswith("cg_9"):
        return "gathered", "system"
    if loop.has("HMMA"):
        if kernel == "cg_8_stream":
            return "gathered", None
        return "kept", "residual" if loop.has("LDGSTS.128") else "product"
    if loop.has("STS.128"):
        return "kept", "residual"
    return ("kept", "product") if loop.has("LDS.128") else ("gathered", None)


def _source(folder: Path, file: str) -> str:
    """Return a kernel's text with the headers beside it in place of their `#include`s."""
    text = (folder / file).read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: _source(folder, found[1]), text)


def read_before() -> dict[tuple[str, str, str, int, str, str], float]:
    """Return the slots of the kernels that the present ones are compared with, by what a pass is."""
    kept: dict[str, Any] = json.loads(BEFORE.read_text(encoding="utf-8"))
    return {
        (one["rung"], one["kernel"], one["stored"], one["factors"], one["mode"], one["where"]): one[
            "slots"
        ]
        for one in kept["passes"]
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--kernels", type=Path, help="folder of other .cu and .cuh files")
    options = parser.parse_args()
    reason = why_not()
    if reason:
        sys.exit(reason)
    lines = [json.dumps(asdict(one)) for one in passes(folder=options.kernels)]
    text = f'{{"nvrtc": "{nvrtc_version()}", "passes": [\n' + ",\n".join(lines) + "\n]}\n"
    with whole_file(options.file) as written:
        written.write(text.encode())
