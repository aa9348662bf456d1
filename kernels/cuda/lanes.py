"""The constants of `lanes.cuh`: how lanes share vectors, and how warps share shared memory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lanes:
    """How lanes share a vector (`lanes.cuh`), and how warps share a multiprocessor.

    Attributes
    ----------
    wide
        Numbers in a stored row: the factors, padded to whole 16 bytes.
    group, chunks
        Lanes that share a vector, and 16-byte pieces of it in each lane.
    row_bytes
        Bytes of shared memory for a kept entry.
    warps
        Warps in a block.
    kept
        Entries that a warp keeps in shared memory.
    shared
        Bytes of shared memory for a block that keeps entries and adds up vectors.
    sums
        How many of these bytes are for adding up vectors.
    defines
        The definitions of all this for the compiler.
    """

    wide: int
    group: int
    chunks: int
    row_bytes: int
    warps: int
    kept: int
    shared: int
    sums: int
    defines: tuple[str, ...]


# Types of the fixed side: the name in C++, and the bytes of a number.
STORED = {
    "float64": ("double", 8),
    "float32": ("float", 4),
    "float16": ("__half", 2),
    "bfloat16": ("__nv_bfloat16", 2),
}
# The most elements of a vector in one lane. More elements mean fewer shuffles per multiply-add, until
# the vectors of conjugate gradients fill the registers and too few warps are left to hide memory
# latency.
_ELEMENTS = {"float64": 8, "float32": 16, "float16": 8, "bfloat16": 8}
MOST_FACTORS_FLOAT64 = 512
WARPS, LARGE_WARPS = 4, 8
SHARED = 48 * 1024  # bytes that any device gives a block; four such blocks share a multiprocessor


def lanes(
    factors: int, stored: str, *, diagonal: bool, warps: int = WARPS, shared: int = SHARED
) -> Lanes:
    """Return the layout for this number of factors.

    Parameters
    ----------
    stored
        A key of `STORED`.
    diagonal
        Whether D (`cg.cuh`) is one number per coordinate; else it is one number per row.
    warps, shared
        Warps in a block, and bytes of shared memory that a block may have.
    """
    name, size = STORED[stored]
    vector = 16 // size
    wide = -(-factors // vector) * vector
    group = 4
    while group < 32 and -(-wide // (group * vector)) * vector > _ELEMENTS[stored]:
        group *= 2
    chunks = -(-wide // (group * vector))
    row_bytes = chunks * group * 16
    kind = "float64" if stored == "float64" else "float32"
    sums = (warps + 1) * wide * STORED[kind][1]
    sums = -(-sums // 16) * 16
    kept = max(0, (shared - sums) // warps // row_bytes)
    # As many warps on a multiprocessor as shared memory allows, if the vectors leave registers for them.
    registers = chunks * vector * (STORED[kind][1] // 4)
    # With one D per coordinate, or larger vectors of 16-bit or 64-bit numbers, 128 registers are too few
    # for the compilers of some architectures; on the others 16 warps run all the same.
    crowded = diagonal or (registers > 8 and size != 4)
    most = 1 if registers > 16 else 12 if crowded else 16
    blocks = max(1, most // warps)
    defines = (
        f"REAL={STORED[kind][0]}",
        f"STORED={name}",
        *(("HALVES",) if size == 2 else ()),
        f"WIDE={wide}",
        f"GROUP={group}",
        f"DIAGONAL={int(diagonal)}",
        f"WARPS={warps}",
        f"BLOCKS={blocks}",
        f"KEPT={kept}",
    )
    return Lanes(
        wide, group, chunks, row_bytes, warps, kept, warps * kept * row_bytes + sums, sums, defines
    )


# From this number of factors on, tiles of vectors would leave too few warps on a multiprocessor.
MOST_FACTORS_TILES = 256
RING = 3  # slots of a warp that keeps no tiles, as in `tiles.cuh`


@dataclass(frozen=True)
class Tiles:
    """How warps share shared memory in tiles of 16 stored entries (`tiles.cuh`).

    Attributes
    ----------
    warps
        Warps in a block.
    kept
        Stored entries that a warp keeps.
    shared
        Bytes of shared memory for a block.
    defines
        The definitions for the compiler.
    """

    warps: int
    kept: int
    shared: int
    defines: tuple[str, ...]


def wide_tiles(factors: int) -> int:
    """Return the numbers of a stored row for tensor cores: the factors, padded to whole tiles of 16."""
    return -(-factors // 16) * 16


def tiles(factors: int, *, diagonal: bool, shared_limit: int, large: bool) -> Tiles:
    """Return the layout of a small block, of which four share a multiprocessor, or of a large one.

    Of large blocks two share a multiprocessor. Where a block of that size has no room for `RING` tiles
    (if large) or for one tile a warp, it may have more of the multiprocessor, and then fewer warps.

    Parameters
    ----------
    diagonal
        As in `lanes`.
    shared_limit
        Bytes of shared memory that the device grants a block.
    """
    wide = wide_tiles(factors)
    slot = 16 * (wide // 8 | 1) * 16
    least = RING if large else 1
    choices = [
        (warps, blocks)
        for blocks in ((2, 1) if large else (4, 2, 1))
        for warps in ((8, 4, 2, 1) if large and wide <= 128 else (4, 2, 1))
    ]
    for warps, blocks in choices:
        sums = (warps + 1) * wide * 4
        slots = (shared_limit // blocks // 1024 * 1024 - sums) // (warps * slot)
        if slots >= least:
            break
    else:
        raise AssertionError(f"{shared_limit} bytes of shared memory hold no tile of {factors}")
    defines = (
        "REAL=float", "STORED=__half", "HALVES", f"WIDE={wide}", f"DIAGONAL={int(diagonal)}",
        # Longer vectors need more registers than four blocks of four warps leave each lane.
        f"WARPS={warps}", f"BLOCKS={min(blocks, 3 if wide > 128 else 4)}", f"SLOTS={slots}",
    )  # fmt: skip
    return Tiles(warps, 16 * slots, warps * slots * slot + sums, defines)


@dataclass(frozen=True)
class Systems:
    """How a block forms and solves a row's system (`gramian.cuh`).

    Attributes
    ----------
    wide
        The order of the system: the factors, padded to whole tiles.
    warps
        Warps in a block.
    shared
        Bytes of shared memory for a block.
    inside
        Whether they hold the system; else it is in global memory.
    numbers
        Numbers of a system: its lower triangle, and the right-hand side.
    defines
        The definitions for the compiler.
    """

    wide: int
    warps: int
    shared: int
    inside: bool
    numbers: int
    defines: tuple[str, ...]


STAGE, _PANEL, _TILE = 32, 16, 4  # as in `gramian.cuh` and `cholesky.cuh`
CORNER = _PANEL * (_PANEL + 1)  # numbers of shared memory that are not among those of a launch


def numbers_of(order: int) -> int:
    """Return how many numbers a system takes: its lower triangle, and the right-hand side."""
    return order * (order + 3) // 2


def step_of(order: int, tile: int) -> int:
    """Return the numbers from a vector in shared memory to the next, as in `cholesky.cuh`."""
    return -(-(order + 1) // tile) * tile | 4


def systems(factors: int, *, shared_limit: int) -> Systems:
    """Return the layout for systems of this many factors.

    Parameters
    ----------
    shared_limit
        As in `tiles`.
    """
    wide = wide_tiles(factors)
    count = wide // 16
    warps = (count + 1) // 2
    stages = RING * STAGE * (2 * 8 * (wide // 8 | 1) + 10)
    scratch = 4 * (_PANEL * step_of(wide, _TILE) + 2 * wide)
    numbers = numbers_of(wide)
    inside = max(stages, scratch + 4 * numbers) + 4 * CORNER <= shared_limit
    # A lane holds eight sums for each of the warp's tiles; the rest needs 96 registers at most.
    registers = min(255, 8 * (count + 1) + 96)
    defines = (
        "REAL=float", "STORED=__half", "HALVES", f"WIDE={wide}", "DIAGONAL=0", f"WARPS={warps}",
        f"RESIDENT={max(1, min(16, 65536 // (32 * warps * registers)))}", f"TILE={_TILE}",
        "HELD=0", f"INSIDE={int(inside)}",
    )  # fmt: skip
    shared = max(stages, scratch + 4 * numbers * inside)
    return Systems(wide, warps, shared, inside, numbers, defines)
