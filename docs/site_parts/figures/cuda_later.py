"""Figures of CUDA rungs 6 to 9: hubs, numbers of 16 bits, tensor-core tiles, a row's system."""

from __future__ import annotations

from site_parts.drawing import Drawing

_OF_WARP = ("row", "fixed", "shared", "result")


def hub_alone_and_split() -> Drawing:
    """Above, one block works on the hub after all other rows are done; below, its parts are shared.

    Two charts of four multiprocessors over time. In the upper one, rung 5, the first multiprocessor
    works on the hub from beginning to end, while the three others finish their short rows early and
    then have nothing to do. In the lower one, rung 6, all four work on short rows first and then on a
    part of the hub each, in two passes. After each pass one block adds up the parts. The lower chart
    ends much earlier.
    """
    d = Drawing(660, 292)
    d.text(10, 20, "rung 5: a block for the hub", bold=True)
    d.text(10, 160, "rung 6: parts of the hub, then their sum, in each pass", bold=True)
    for m in range(4):
        top = 32 + 24 * m
        d.text(10, top + 14, f"multiprocessor {m + 1}", small=True)
        if m == 0:
            d.box(130, top, 500, 20, "warn", "the hub")
        else:
            for k in range(3):
                d.box(130 + 44 * k, top, 42, 20, "row", "row")
            d.text(274, top + 14, "nothing left to do", small=True)
        top = 172 + 24 * m
        d.text(10, top + 14, f"multiprocessor {m + 1}", small=True)
        rows = 2 if m == 0 else 3
        for k in range(rows):
            d.box(130 + 44 * k, top, 42, 20, "row", "row")
        for k in range(2):
            d.box(264 + 90 * k, top, 64, 20, "warn", "part")
            if m == 0:
                d.box(330 + 90 * k, top, 20, 20, "shared", "Σ")
    d.arrow(130, 276, 630, 276).text(590, 290, "time", small=True)
    return d


def hub_in_parts() -> Drawing:
    """A pass over a hub takes two launches: a block for each part, then a block for the hub.

    From top to bottom: the entries of one hub as a long bar, cut into four parts of equal length. In the
    first launch each part goes to a block of eight warps, which leaves one vector of f numbers. In the
    second launch one block adds the four vectors in a fixed order and takes the step of conjugate
    gradients.
    """
    d = Drawing(640, 300)
    d.text(20, 20, "entries of the hub, in the order in which they are stored", small=True)
    for k in range(4):
        x = 100 + 130 * k
        d.box(x, 30, 126, 22, "stored", f"part {k + 1}")
        d.arrow(x + 63, 54, x + 63, 76)
        d.box(x + 3, 80, 120, 40, "plain")
        d.cells(x + 15, 96, 1, 8, 12, "row")
        d.text(x + 63, 89, "a block, 8 warps", middle=True, small=True)
        d.arrow(x + 63, 122, x + 63, 144)
        d.cells(x + 27, 148, 1, 6, 12, "result")
        d.arrow(x + 63, 164, 358 + 12 * (k - 1.5), 206)
    d.text(10, 104, "launch 1", bold=True)
    d.text(10, 158, "f numbers each", small=True)
    d.text(10, 234, "launch 2", bold=True)
    d.box(210, 210, 300, 40, "shared")
    d.text(360, 222, "a block for the hub: the vectors of", middle=True, small=True)
    d.text(360, 238, "parts 1 to 4 in a fixed order, and the step", middle=True, small=True)
    d.arrow(360, 252, 360, 272)
    d.cells(324, 276, 1, 6, 12, "solved").text(410, 287, "x, r, p of the hub", small=True)
    return d


def bits_of_a_number() -> Drawing:
    """Where the 32 or 16 bits of a number go: sign, exponent and fraction.

    Three rows of cells, a cell for each bit. A float32 has one bit for the sign, eight for the exponent
    and 23 for the fraction. A float16 has one, five and ten. A bfloat16 has one, eight and seven: it is
    the upper half of a float32. With the leading one that is not stored, they hold 24, 11 and 8 binary
    digits.
    """
    d = Drawing(660, 168)
    kinds = (
        ("float32", 8, 23, "24 digits"),
        ("float16", 5, 10, "11 digits, up to 65,504"),
        ("bfloat16", 8, 7, "8 digits, range of float32"),
    )
    for k, (name, exponent, fraction, said) in enumerate(kinds):
        y = 40 + 50 * k

        def role(_: int, bit: int, exponent: int = exponent) -> str:
            return "warn" if bit == 0 else "shared" if bit <= exponent else "row"

        bits = 1 + exponent + fraction
        d.text(10, y + 12, name, bold=True)
        d.cells(84, y, 1, bits, 15, role)
        if bits == 16:
            d.text(84 + 15 * bits + 12, y + 12, said, small=True)
        else:
            d.text(84 + 15 * bits + 6, y + 12, said, small=True)
    d.text(84, 30, "sign", small=True).text(120, 30, "exponent", small=True)
    d.text(222, 30, "fraction", small=True)
    return d


def pieces_of_an_entry() -> Drawing:
    """An entry of 128 factors in pieces of 16 bytes: 32 of them in float32, 16 in float16.

    Above, in float32, eight lanes load an entry: each loads four pieces of 16 bytes with four numbers
    each, 512 bytes in all. Below, in float16, sixteen lanes load an entry: one piece each with eight
    numbers, 256 bytes in all. The lane turns its eight numbers into eight floats in registers before it
    multiplies.
    """
    d = Drawing(680, 280)
    d.text(10, 20, "float32: 8 lanes, 4 pieces each, 512 bytes", bold=True)
    d.cells(10, 50, 4, 8, 24, "fixed")
    for lane in range(8):
        d.text(22 + 24 * lane, 41, str(lane), middle=True, small=True)
    d.text(212, 102, "a piece:", small=True)
    d.cells(270, 88, 1, 4, 44, "fixed", lambda _, k: f"z{k}")
    d.text(456, 108, "4 numbers, used as they are", small=True)
    d.text(10, 184, "float16: 16 lanes, 1 piece each, 256 bytes", bold=True)
    d.cells(10, 214, 1, 16, 24, "stored")
    for lane in range(16):
        d.text(22 + 24 * lane, 205, str(lane), middle=True, small=True)
    d.text(420, 184, "a piece:", small=True)
    d.cells(480, 168, 1, 8, 22, "stored", lambda _, k: f"z{k}")
    d.arrow(568, 194, 568, 218)
    d.cells(480, 222, 1, 8, 22, "fixed", lambda _, k: f"z{k}")
    d.text(480, 262, "8 floats in registers", small=True)
    d.text(10, 262, "lanes of a group, from 0", small=True)
    return d


def products_of_a_tile() -> Drawing:
    """Two products with one tile of 16 entries: Z v for the dot products, Z' g for their sum.

    Above: the tile of sixteen entries and 128 factors is eight blocks of 16 by 16. Each is multiplied
    by a matrix of 16 by 8 whose first column has the upper halves of v and whose second column has the
    lower halves; the other six are zero. The results add up in one matrix of 16 by 8, of which two
    columns count; their sum is the sixteen dot products. Below: each block, transposed, is multiplied
    by a matrix with the two halves of g. For block j they stand in columns 2q and 2q + 1 with q = j
    modulo 4, so that four blocks share one result of 16 by 8.
    """
    d = Drawing(700, 396)
    d.text(10, 18, "1.  d = Z v", bold=True)
    for k in range(8):
        d.box(10 + 32 * k, 30, 32, 96, "fixed", str(k))
    d.text(10, 144, "16 entries × 128 factors, float16", small=True)
    d.text(278, 82, "×", bold=True)
    d.cells(300, 30, 8, 8, 12, lambda _, c: ("stored", "shared")[c] if c < 2 else "faint")
    d.text(300, 144, "v: high, low, zeros", small=True)
    d.text(412, 82, "=", bold=True)
    d.cells(436, 30, 8, 8, 12, lambda _, c: "result" if c < 2 else "faint")
    d.text(436, 144, "16 × 8, float32", small=True)
    d.arrow(540, 78, 570, 78)
    d.cells(576, 30, 8, 1, 12, "solved").text(596, 82, "16 dot products", small=True)
    d.text(10, 178, "then  g = t − w d  or  w d", small=True)
    d.text(10, 214, "2.  sum += Z' g", bold=True)
    for j in range(8):
        d.box(60, 226 + 18 * j, 60, 18, "fixed", str(j))
        for c in range(8):
            q = j % 4
            role = "stored" if c == 2 * q else "shared" if c == 2 * q + 1 else "faint"
            d.box(200 + 18 * c, 226 + 18 * j, 18, 18, role)
        d.text(150, 239 + 18 * j, "×")
        d.text(370, 239 + 18 * j, "=")
    for half in range(2):
        for q in range(4):
            d.box(410 + 36 * q, 226 + 72 * half, 36, 72, _OF_WARP[q], str(4 * half + q))
    d.text(10, 388, "16 factors × 16 entries", small=True)
    d.text(200, 388, "g: high, low, zeros", small=True)
    d.text(410, 388, "two results of 16 × 8", small=True)
    d.text(566, 256, "a pair of", small=True).text(566, 272, "columns for", small=True)
    d.text(566, 288, "each block", small=True)
    return d


def lanes_of_a_result() -> Drawing:
    """Which lane holds which number of a tensor core's result of 16 by 8.

    A grid of the first eight rows and eight columns with the number of a lane in each cell. Lane 4g + q
    has the two neighbouring cells of row g and columns 2q and 2q + 1, so the first row belongs to lanes
    0 to 3 and the last of the eight to lanes 28 to 31. Rows 8 to 15 belong to the same lanes in the same
    order, so each lane has four numbers.
    """
    d = Drawing(600, 262)
    d.cells(60, 34, 8, 8, 26, lambda _, c: _OF_WARP[c // 2], lambda r, c: str(4 * r + c // 2))
    for q in range(4):
        d.text(86 + 52 * q, 22, f"q = {q}", middle=True, small=True)
    for r in range(8):
        d.text(10, 51 + 26 * r, f"g = {r}", small=True)
    d.text(296, 70, "a lane has columns 2q and 2q + 1", small=True)
    d.text(296, 88, "of rows g and g + 8", small=True)
    d.text(296, 124, "of Z' g they are the high and the low", small=True)
    d.text(296, 142, "part of one sum, for blocks q and q + 4", small=True)
    d.text(296, 160, "of the factors: the lane adds them itself", small=True)
    return d


def gathers_of_a_long_row() -> Drawing:
    """A long row is gathered again by each step of conjugate gradients, and once to form its system.

    Above, four bars of equal length one below the other: the row's entries are read from memory for the
    residual and again for each of three steps. Below, one bar of the same length, read once, leads to a
    triangle, the row's system, which is solved by Cholesky's method in shared memory.
    """
    d = Drawing(640, 240)
    d.text(10, 20, "rung 8: all entries from memory in every pass", bold=True)
    for k in range(4):
        y = 30 + 24 * k
        d.text(10, y + 14, "residual" if k == 0 else f"step {k}", small=True)
        d.box(80, y, 380, 20, "warn" if k else "stored", "z of all n entries")
    d.text(10, 152, "rung 9: once", bold=True)
    d.text(10, 178, "system", small=True)
    d.box(80, 164, 380, 20, "stored", "z of all n entries")
    d.arrow(464, 174, 498, 174)
    for r in range(6):
        d.cells(504, 150 + 12 * r, 1, r + 1, 12, "shared")
    d.arrow(582, 192, 604, 192).cells(610, 150, 6, 1, 12, "solved")
    d.text(504, 236, "D + Σ w z z'", small=True).text(610, 236, "x", small=True)
    return d


def strips_of_a_system() -> Drawing:
    """The tiles of a system of 128 by 128 and the warps that hold them in registers.

    A grid of eight by eight tiles of 16 by 16 numbers. Each tile that is formed has the number of its
    warp, 0 to 3. Warp i has the columns of tiles i and i + 4: five tiles in the former and four in the
    latter, from the diagonal down and, past the last row, on from the top. The 28 empty tiles are mirror
    images of formed ones.
    """
    d = Drawing(620, 316)
    owner: dict[tuple[int, int], int] = {}
    for strip in range(8):
        for k in range(5 if strip < 4 else 4):
            owner[(strip + k) % 8, strip] = strip % 4
    d.cells(
        40, 30, 8, 8, 33,
        lambda r, c: _OF_WARP[owner[r, c]] if (r, c) in owner else "faint",
        lambda r, c: str(owner[r, c]) if (r, c) in owner else "",
    )  # fmt: skip
    d.text(40, 20, "strips 0 to 7, 16 columns each", small=True)
    d.text(40, 312, "tiles of 16 × 16", small=True)
    d.text(326, 70, "warp i has strips i and i + 4:", bold=True)
    d.text(326, 90, "9 tiles, in each lane 8 sums of each", small=True)
    d.text(326, 126, "16 entries at a time:", bold=True)
    d.text(326, 146, "load a tile of Z' (16 factors × 16 entries)", small=True)
    d.text(326, 164, "on the diagonal, weight it: w z, two halves", small=True)
    d.text(326, 182, "multiply each tile by w z of the strip", small=True)
    d.text(326, 218, "empty tiles are mirror images", small=True)
    return d
