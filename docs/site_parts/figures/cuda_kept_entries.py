"""Figures of the CUDA rungs 4 and 5: entries kept in shared memory, rows in bins."""

from __future__ import annotations

from site_parts.drawing import Drawing


def cuda_passes() -> Drawing:
    """Where each pass over a row of 28 entries reads them, in rung 3 and in rung 4, if a warp keeps 22.

    Two blocks of three rows, one row for each pass: the residual and two steps. In rung 3 all 28
    entries of all three passes come from the second-level cache or from memory. In rung 4 the first
    pass does the same and keeps the first 22 entries in shared memory; the later passes read these
    22 there and gather only the last six again.
    """
    d = Drawing(660, 300)
    passes = ("residual", "step 1", "step 2")
    for rung, y in ((3, 20), (4, 142)):
        d.text(16, y, f"rung {rung}", bold=True)
        for at, name in enumerate(passes):
            d.text(16, y + 27 + 30 * at, name, small=True)
            kept = 22 if rung == 4 and at else 0
            d.cells(
                90, y + 12 + 30 * at, 1, 28, 20,
                lambda _, c, kept=kept: "shared" if c < kept else "fixed",
            )  # fmt: skip
    d.brace(92, 248, 436, "the first 22 entries are kept", down=True)
    d.box(90, 278, 22, 14, "fixed").text(120, 290, "gathered from cache or memory", small=True)
    d.box(330, 278, 22, 14, "shared").text(360, 290, "read from shared memory", small=True)
    return d


def cuda_kept_pieces() -> Drawing:
    """The shared memory of a warp at f = 128: each lane reads only the pieces that it wrote itself.

    On the left the four groups of eight lanes of a warp, with entries 0 to 3 in their registers. On
    the right the warp's part of shared memory, a line for each entry of four chunks of eight
    pieces. Lane 2 of group 1 is marked with its four pieces of entry 1: it writes them in the first
    pass, and it alone reads them in later passes. Below, a chunk of an entry: eight lanes times 16
    bytes lie in all 32 banks once.
    """
    d = Drawing(700, 270)
    d.text(16, 20, "registers of the warp", bold=True)
    for group in range(4):
        y = 34 + 34 * group
        d.cells(
            16, y, 1, 8, 19,
            lambda _, c, g=group: "warn" if (g, c) == (1, 2) else "row",
            lambda _, c: str(c),
        )  # fmt: skip
        d.text(16 + 8 * 19 + 6, y + 14, f"group {group}", small=True)
    d.text(290, 20, "shared memory of the warp", bold=True)
    for entry in range(4):
        y = 34 + 34 * entry
        for chunk in range(4):
            d.cells(
                290 + 84 * chunk, y, 1, 8, 10,
                lambda _, c, k=entry: "warn" if (k, c) == (1, 2) else "shared",
            )  # fmt: skip
        d.text(630, y + 10, f"entry {entry}", small=True)
    d.text(630, 172, "…", small=True)
    for chunk in range(4):
        d.brace(292 + 84 * chunk, 150, 76, f"chunk {chunk}", down=True)
    d.arrow(226, 78, 284, 74, role="orange")
    d.text(16, 204, "one chunk of one entry", bold=True)
    for lane in range(8):
        d.box(16 + 76 * lane, 214, 76, 19, "warn" if lane == 2 else "shared", f"lane {lane}")
    for bank in range(33):
        d.line(16 + 19 * bank, 235, 16 + 19 * bank, 241, role="quiet")
    d.text(16, 257, "bank 0", small=True).text(624, 257, "bank 31", end=True, small=True)
    return d


def cuda_bins() -> Drawing:
    """Rows sorted by degree, and who takes a row of each bin at f = 128.

    Bars for the degrees of rows, from the highest to the lowest, fall steeply and end in many short
    ones. Four bins are marked. Above 128 entries a row has a block of eight warps, from 65 to 128 a
    block of four warps, from 17 to 64 a warp, and up to 16 entries four rows share a warp.
    """
    d = Drawing(700, 278)
    base, x = 190.0, 24.0
    bins = (
        ("warn", (150, 118, 96, 82), 30.0), ("shared", (64, 56, 48), 28.0),
        ("stored", (38, 33, 29, 25, 22, 20), 26.0),
        ("row", (14, 13, 11, 10, 9, 8, 7, 6, 6, 5, 5, 4, 4, 3, 3, 3), 10.0),
    )  # fmt: skip
    said = (
        ("above 128", "a block of 8 warps", "cg_5_long"),
        ("65 to 128", "a block of 4 warps", "cg_5_long"),
        ("17 to 64", "a warp", "cg_4_shared"),
        ("up to 16", "8 lanes: 4 rows a warp", "cg_5_short"),
    )
    d.text(240, 24, "rows, highest degree first", bold=True)
    d.text(240, 44, "height: stored entries (not to scale)", small=True)
    for (role, heights, width), (degree, who, kernel) in zip(bins, said, strict=True):
        d.line(x, base + 6, x, 266, role="quiet")
        for at, height in enumerate(heights):
            d.box(x + 4 + width * at, base - height, width - 3, height, role)
        d.text(x + 6, base + 26, degree, bold=True)
        d.text(x + 6, base + 48, who, small=True)
        d.text(x + 6, base + 68, kernel, small=True)
        x += max(width * len(heights), 140) + 26
    return d


def cuda_short_rows() -> Drawing:
    """Four rows of three entries: a warp for each as in rung 4, and side by side in one as in rung 5.

    Above, rung 4: four warps take one row each. In each, groups 0 to 2 have an entry, group 3 has
    none, and the vectors of the row are held four times. Below, rung 5: a single warp takes all
    four rows. Each group of lanes has a row of its own and goes through its three entries in three
    turns, so that no group is idle and every copy of the vectors is of another row.
    """
    d = Drawing(690, 250)
    d.text(16, 20, "rung 4: four warps, a turn each", bold=True)
    for warp in range(4):
        x = 16 + 168 * warp
        for group in range(4):
            role, said = ("row", f"e{group}") if group < 3 else ("faint", "idle")
            d.box(x + 38 * group, 32, 38, 30, role)
            d.text(x + 38 * group + 19, 47, said, middle=True, small=True)
        d.text(x, 80, f"warp {warp}: row u{warp}", small=True)
    d.text(16, 116, "rung 5: one warp, three turns", bold=True)
    for turn in range(3):
        x = 16 + 168 * turn
        for group in range(4):
            d.box(x + 38 * group, 128, 38, 30, "stored")
            d.text(x + 38 * group + 19, 143, f"u{group}", middle=True, small=True)
        d.text(x, 176, f"turn {turn}: entry e{turn} of each", small=True)
    d.text(
        16,
        206,
        "u0 to u3: rows; e0 to e2: their entries; a box: a group of 8 lanes",
        small=True,
    )
    d.text(16, 228, "The rest of a step is done once for four rows, not once for each.", small=True)
    return d
