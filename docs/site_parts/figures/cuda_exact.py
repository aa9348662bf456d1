"""Figures of the exact CUDA rung and of the selection of the best items."""

from __future__ import annotations

from site_parts.drawing import Drawing


def primal_or_dual() -> Drawing:
    """A row of few entries is solved as a small system of its entries, others as one of the factors.

    In the middle the rows of Z that a user's four entries gather, four by ten numbers. To the left
    they lead to the primal system, a matrix of ten by ten: one unknown for each factor. To the right
    they lead to the dual system, a matrix of four by four: one unknown for each entry. Both give the
    same x.
    """
    d = Drawing(640, 250)
    d.text(20, 22, "primal: f unknowns", bold=True)
    d.cells(20, 34, 10, 10, 14, "shared")
    d.text(20, 194, "I + Z' W Z", small=True)
    d.cells(250, 76, 4, 10, 14, "fixed")
    d.text(250, 66, "Z of the row's n = 4 entries", small=True)
    d.text(250, 150, "f = 10 factors", small=True)
    d.arrow(244, 104, 168, 104)
    d.arrow(396, 104, 470, 104)
    d.text(478, 22, "dual: n unknowns", bold=True)
    d.cells(478, 76, 4, 4, 14, "shared")
    d.text(478, 150, "I + W½ Z Z' W½", small=True)
    d.arrow(90, 202, 244, 222).arrow(506, 160, 398, 216)
    d.cells(250, 214, 1, 10, 14, "solved").text(250, 244, "the same x", small=True)
    return d


def tiles_of_threads() -> Drawing:
    """Each thread holds one tile of the lower triangle in registers until its columns are factorised.

    A triangle of tiles of four by four numbers for a system of sixteen unknowns; the last line of tiles
    has the right-hand side. Each tile has the number of its thread, counted from the last column of
    tiles to the first. The first two columns of tiles, held by threads 6 to 14, are the panel that is
    factorised now. The corner on its diagonal is the work of one warp. Afterwards threads 0 to 5
    subtract the panel's products from their tiles.
    """
    d = Drawing(640, 268)
    size, lines = 44, 5
    for column in range(lines):
        r = lines - 1 - column
        for line in range(column, lines):
            thread = r * (r + 1) // 2 + lines - 1 - line
            role = "plain" if column > 1 else "warn" if line < 2 else "shared"
            d.box(30 + size * column, 26 + size * line, size, size, role, str(thread))
    d.text(30, 18, "panel of 8 columns", small=True)
    d.text(30, 262, "last line: b", small=True)
    d.text(286, 44, "1  Threads 6 to 14 write their tiles to shared memory.", small=True)
    d.box(286, 62, 14, 14, "warn").text(306, 74, "2  One warp factorises the corner, a lane a row.")
    d.box(286, 92, 14, 14, "shared").text(
        306, 104, "3  A thread for each row below solves with it."
    )
    d.box(286, 122, 14, 14, "plain").text(306, 134, "4  Threads 0 to 5 subtract panel × panel'")
    d.text(324, 152, "from their tiles, in registers.")
    d.text(286, 186, "Then the next panel. Warps are idle one by one,", small=True)
    d.text(286, 204, "because the first columns have the last threads.", small=True)
    return d


def tile_of_scores() -> Drawing:
    """A block scores 32 queries with 128 items at a time and keeps only candidates.

    On the left a rectangle of scores: 32 queries in eight bands of four, a band for each warp; 128 items
    in 32 columns of four, a column for each lane. One lane's part, four queries by four items, is
    highlighted: sixteen scores in its registers. On the right a score above the query's threshold goes
    to the query's buffer of 256 places in shared memory, and all others are forgotten. When the buffer
    is nearly full, the warp sorts it, keeps the k best and raises the threshold to the k-th.
    """
    d = Drawing(680, 282)
    d.text(10, 22, "128 items: 32 lanes × 4", small=True)
    for warp in range(8):
        d.box(60, 32 + 26 * warp, 256, 26, "row" if warp == 2 else "plain")
        d.text(10, 49 + 26 * warp, f"warp {warp}", small=True)
    d.box(60 + 8 * 9, 32, 8, 208, "faint")
    d.box(60 + 8 * 9, 32 + 52, 8, 26, "result")
    d.arrow(148, 97, 360, 60)
    d.cells(366, 34, 4, 4, 14, "result")
    d.text(430, 50, "a lane's scores, 4 queries", small=True)
    d.text(430, 66, "× 4 items, in registers", small=True)
    d.arrow(394, 94, 394, 122)
    d.text(404, 112, "above the threshold t of its query?", small=True)
    d.cells(366, 128, 1, 5, 16, "solved").cells(446, 128, 1, 6, 16, "shared")
    d.cells(542, 128, 1, 5, 16, "faint")
    d.text(366, 162, "k best", small=True).text(446, 162, "candidates", small=True)
    d.text(542, 162, "free", small=True)
    d.text(366, 186, "buffer of a query, 256 places, shared memory", small=True)
    d.text(366, 214, "Nearly full: the warp sorts it, keeps k,", small=True)
    d.text(366, 230, "and the k-th score is the new t.", small=True)
    d.text(60, 262, "32 queries: 8 warps × 4; then the next 128 items", small=True)
    return d


def bound_of_a_score() -> Drawing:
    """An item is passed over if its coarse score plus a bound of the error is not above the threshold.

    A horizontal axis of scores with the threshold t, the k-th best so far, as a vertical line. Four
    items, one below the other. Each has a point, its coarse score, and a bar to the right, the bound of
    the error. The bars of the first two end before t: they are passed over. The third one's point is
    below t but its bar reaches beyond, and the fourth's point is above t: both are scored exactly.
    """
    d = Drawing(640, 210)
    d.line(400, 24, 400, 172, dashed=True).text(400, 16, "t, the k-th best", middle=True)
    items = (
        (150, "passed over"), (310, "passed over"), (360, "scored exactly"), (440, "scored exactly"),
    )  # fmt: skip
    for k, (x, said) in enumerate(items):
        y = 42 + 34 * k
        d.text(10, y + 5, f"item {k + 1}")
        inside = said == "passed over"
        d.box(x, y - 7, 70, 14, "faint" if inside else "solved")
        d.box(x - 3, y - 7, 6, 14, "stored")
        d.text(530, y + 5, said)
    d.arrow(70, 182, 510, 182).text(470, 200, "score", small=True)
    d.text(70, 200, "blue: score from 16 bits; bar: bound of its error", small=True)
    return d
