"""Figures of what a CUDA device is made of: its threads, its memories and how lanes reach them."""

from __future__ import annotations

from site_parts.drawing import Drawing


def cuda_threads() -> Drawing:
    """A launch is a grid of blocks, a block is warps, a warp is 32 lanes.

    Three levels from top to bottom. A row of blocks, of which block 1 is marked. Below it the four
    warps of block 1, of which warp 2, threads 64 to 95, is marked. Below it the 32 lanes of warp 2,
    of which lane 5 is marked: it is the thread with blockIdx.x = 1 and threadIdx.x = 69, since 69 =
    2 times 32 plus 5.
    """
    d = Drawing(640, 292)
    d.text(20, 20, "grid: all blocks of a launch", bold=True)
    for b in range(6):
        role = "row" if b == 1 else "plain"
        d.box(20 + 100 * b, 30, 92, 32, role, f"block {b}" if b < 5 else "…")
    d.arrow(166, 64, 166, 100)
    d.text(180, 92, "block 1: 4 warps, 128 threads", bold=True)
    for w in range(4):
        role = "stored" if w == 2 else "row"
        d.box(20 + 150 * w, 106, 142, 32, role, f"warp {w}")
        d.text(91 + 150 * w, 152, f"threads {32 * w} to {32 * w + 31}", small=True, middle=True)
    d.arrow(391, 164, 391, 196)
    d.text(405, 188, "warp 2: 32 lanes", bold=True)
    d.cells(
        20,
        202,
        1,
        32,
        18.5,
        lambda _, c: "warn" if c == 5 else "stored",
        lambda _, c: str(c) if c % 4 == 0 else "",
    )
    d.line(121.75, 222, 121.75, 236)
    d.text(20, 252, "lane 5: blockIdx.x = 1, threadIdx.x = 69")
    d.text(20, 274, "its warp is threadIdx.x / 32 = 2, its lane threadIdx.x % 32 = 5", small=True)
    return d


def cuda_memory() -> Drawing:
    """The memories of a device: the nearer to the arithmetic, the smaller and the faster.

    A box for one multiprocessor holds registers, which belong to single lanes, and below them
    shared memory, which belongs to a block, beside the first-level cache. A second box stands for
    the other multiprocessors. Below all of them lies the second-level cache, which they share, and
    below that global memory with the factors and the stored entries. Arrows connect each level with
    the next.
    """
    d = Drawing(700, 330)
    d.box(16, 12, 400, 170, "plain")
    d.text(30, 34, "a multiprocessor", bold=True)
    d.box(30, 46, 372, 44, "stored", "registers: each lane has its own")
    d.box(30, 122, 182, 44, "shared", "shared memory")
    d.box(220, 122, 182, 44, "faint", "first-level cache")
    d.box(430, 12, 74, 170, "plain", "others")
    d.box(16, 208, 488, 40, "faint", "second-level cache")
    d.box(16, 274, 488, 44, "fixed", "global memory: Y or Z, X, indptr, indices, w, t")
    for x, y1, y2 in ((121, 120, 93), (311, 120, 93), (311, 206, 169), (260, 272, 251)):
        d.arrow(x, y1, x, y2)
    d.arrow(467, 206, 467, 185)
    d.text(520, 62, "65,536 numbers of", small=True).text(
        520, 78, "4 bytes for all warps", small=True
    )
    d.text(520, 138, "up to 227 KB a block,", small=True)
    d.text(520, 154, "read by its threads", small=True)
    d.text(520, 232, "for all blocks", small=True)
    d.text(520, 292, "gigabytes; a load takes", small=True)
    d.text(520, 308, "hundreds of cycles", small=True)
    return d


def cuda_coalesced() -> Drawing:
    """Memory moves in sectors of 32 bytes: lanes that read neighbouring numbers share them.

    Three loads of a warp, each drawn as lanes above the bytes that move. In the first, 32 lanes
    read 32 neighbouring numbers of 4 bytes, which are four sectors, all of whose bytes are used. In
    the second, each lane reads 4 bytes from another sector; 32 sectors move and an eighth of each
    is used. In the third, each lane reads 16 neighbouring bytes, so that one instruction moves
    sixteen full sectors.
    """
    d = Drawing(660, 330)
    lanes, size = 32, 14
    for at, (title, asked) in enumerate(
        (
            ("4 bytes a lane, neighbours", "128 bytes used, 128 moved"),
            ("4 bytes a lane, scattered", "128 bytes used, 1,024 moved"),
            ("16 bytes a lane, neighbours", "512 bytes used, 512 moved"),
        )
    ):
        y = 18 + 106 * at
        d.text(16, y, title, bold=True).text(480, y + 40, asked, small=True)
        d.cells(16, y + 10, 1, lanes, size, "stored")
        d.text(480, y + 22, "lanes", small=True)
        if at == 1:
            for s in range(lanes):
                x = 16 + size * s
                d.box(x, y + 50, size, 16, "warn").box(x, y + 50, 3, 16, "fixed")
            for s in (3, 12, 26):
                d.arrow(16 + size * s + 7, y + 49, 16 + size * ((s * 5 + 6) % lanes) + 7, y + 26)
            d.text(480, y + 62, "32 sectors", small=True)
        else:
            sectors = 4 if at == 0 else 16
            width = lanes * size / sectors
            for s in range(sectors):
                d.box(16 + width * s, y + 50, width, 16, "fixed")
            for s in (2, 13, 28):
                d.arrow(16 + size * s + 7, y + 49, 16 + size * s + 7, y + 26)
            d.text(480, y + 62, f"{sectors} sectors", small=True)
    return d


def cuda_banks() -> Drawing:
    """Shared memory has 32 banks, each of which serves one word of 4 bytes at a time.

    Three accesses, each over a row of 32 banks. First, lane l reads word l: every bank serves one
    lane, and the access takes one turn. Second, lane l reads word 32 l: all words lie in bank 0,
    which serves the lanes one after another in 32 turns. Third, eight lanes read 16 bytes each:
    four banks for each lane, all 32 banks used once, so eight lanes are served in one turn and the
    warp in four.
    """
    d = Drawing(640, 262)
    size = 18
    d.text(16, 18, "lane l reads word l: one turn", bold=True)
    d.cells(16, 28, 1, 32, size, "shared", lambda _, c: str(c) if c % 4 == 0 else "")
    d.text(16, 82, "lane l reads word 32 l: all in bank 0, 32 turns", bold=True)
    for r in range(3):
        d.cells(16, 92 + size * r, 1, 32, size, lambda _, c: "warn" if c == 0 else "faint")
        d.text(25, 101 + size * r, str(r), middle=True)
    d.text(22, 164, "⋮")
    d.text(16, 196, "8 lanes read 16 bytes each: one turn for the 8, four for the warp", bold=True)
    for lane in range(8):
        role = "shared" if lane % 2 else "stored"
        d.box(16 + size * 4 * lane, 206, 4 * size, size, role, f"lane {lane}")
    for bank in range(33):
        d.line(16 + size * bank, 226, 16 + size * bank, 232, role="quiet")
    d.text(16, 248, "bank 0", small=True).text(592, 248, "bank 31", end=True, small=True)
    return d


def cuda_latency() -> Drawing:
    """While one warp waits for memory, others calculate: with enough warps the waiting is hidden.

    Two time lines. Above, a single warp calculates, waits for a load four times as long, and
    calculates again; most of the time nothing is done. Below, four warps do the same, each a little
    later than the one before; while the first waits the other three calculate, and little time is
    left in which none does.
    """
    d = Drawing(640, 270)
    left, unit = 90, 52
    d.text(16, 20, "one warp", bold=True)
    _timeline(d, left, 30, unit, 0, "warp 0")
    d.text(16, 92, "four warps on the multiprocessor", bold=True)
    for w in range(4):
        _timeline(d, left, 102 + 30 * w, unit, w, f"warp {w}")
    d.box(left, 236, 24, 14, "stored").text(left + 32, 248, "calculates", small=True)
    d.box(left + 130, 236, 24, 14, "faint").text(left + 162, 248, "waits for its load", small=True)
    d.arrow(left + 330, 244, left + 430, 244, role="quiet").text(
        left + 440, 248, "time", small=True
    )
    return d


def _timeline(d: Drawing, x: float, y: float, unit: float, late: int, name: str) -> None:
    """Draw when a warp calculates and when it waits, `late` units after the first."""
    d.text(16, y + 16, name, small=True)
    d.box(x + unit * late, y, unit, 22, "stored").box(
        x + unit * (late + 1), y, 4 * unit, 22, "faint"
    )
    d.box(x + unit * (late + 5), y, unit, 22, "stored")
