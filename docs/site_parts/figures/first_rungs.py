"""Figures of the first rungs on the CPU: which numbers of Y a row reads, and what it shares."""

from __future__ import annotations

from site_parts.drawing import Drawing

_STORED = (1, 4, 5, 9)
_ROWS = ("..s..s..", "s....s.s", ".s.s....", "...s..s.", "s.s...s.", ".s..s..s")


def alternation() -> Drawing:
    """Two half-steps: first Y is fixed and every row of X is solved, then the other way round.

    On the left the data, six users by eight items, with the item factors Y fixed above it and the user
    factors X solved beside it: row u of X depends on Y and on row u of the data. On the right the same
    data with X fixed and Y solved: column i of Y' depends on X and on column i of the data. An arrow
    leads from the left to the right and another one back: the two half-steps take turns.
    """
    d = Drawing(680, 300)
    for left, solves_users in ((50, True), (410, False)):
        of_items, of_users = ("fixed", "solved") if solves_users else ("solved", "fixed")
        title = "half-step of the users" if solves_users else "half-step of the items"
        d.text(left, 22, title, bold=True)
        d.cells(left + 70, 46, 2, 8, 18, of_items)
        d.cells(left + 14, 106, 6, 2, 18, of_users)

        def role(r: int, c: int, by_row: bool = solves_users) -> str:
            if _ROWS[r][c] == "s":
                return "stored"
            return "row" if (r == 2 if by_row else c == 3) else "faint"

        d.cells(left + 70, 106, 6, 8, 18, role)
        d.text(left + 62, 64, "Y'", end=True)
        d.text(left + 8, 164, "X", end=True)
        if solves_users:
            d.arrow(left + 68, 151, left + 52, 151, role="blue")
            d.text(left + 70, 236, "row u and all of Y give x_u", small=True)
        else:
            d.arrow(left + 133, 104, left + 133, 84, role="blue")
            d.text(left + 70, 236, "column i and all of X give y_i", small=True)
    d.arrow(284, 130, 404, 130).text(344, 116, "then", middle=True, small=True)
    d.arrow(404, 180, 284, 180).text(344, 196, "and again", middle=True, small=True)
    d.cells(50, 262, 1, 1, 16, "stored").text(72, 274, "stored", small=True)
    d.cells(140, 262, 1, 1, 16, "fixed").text(162, 274, "fixed", small=True)
    d.cells(220, 262, 1, 1, 16, "solved").text(242, 274, "solved", small=True)
    return d


def every_item_in_every_row() -> Drawing:
    """Each row weighs all rows of Y and sums them up to a matrix of its own, and shares nothing.

    For row u the column of its confidences is as long as Y: four stored items have a large confidence,
    the six others a0. All ten rows of Y are read, weighed and summed up to a matrix of four by four. For
    row u + 1 the whole of Y is read again, with other confidences.
    """
    d = Drawing(660, 334)
    for top, name, stored in ((0, "u", _STORED), (172, "u + 1", (0, 4, 7))):
        d.text(20, top + 20, f"row {name}", bold=True)
        for r in range(10):
            y = top + 30 + 11 * r
            d.box(20, y, 34, 11, "stored" if r in stored else "plain")
            for c in range(4):
                d.box(92 + 16 * c, y, 16, 11, "fixed")
        d.text(20, top + 154, f"c_{name.replace(' ', '')}", small=True).text(66, top + 90, "×")
        d.text(92, top + 154, "all of Y", small=True)
        d.arrow(164, top + 86, 216, top + 86)
        d.cells(226, top + 54, 4, 4, 16, lambda r, c: "warn" if r == c else "plain")
        d.text(226, top + 136, "Y' C Y + λI", small=True)
        d.arrow(300, top + 86, 342, top + 86)
        d.cells(352, top + 54, 4, 1, 16, "solved").text(378, top + 91, f"x_{name.replace(' ', '')}")
    d.text(460, 60, "stored: c_ui", small=True).cells(436, 48, 1, 1, 16, "stored")
    d.text(460, 84, "not stored: a0", small=True).cells(436, 72, 1, 1, 16, "plain")
    d.text(436, 236, "the same Y, read once more,", small=True)
    d.text(436, 254, "in most places with the same weight", small=True)
    return d


def gramian_once() -> Drawing:
    """The Gramian of all items is made once; a row adds only its stored entries to it.

    On the left the fixed factors Y, ten rows of four numbers, lead to one matrix a0 Y'Y of four by
    four, made once for the half-step. In the middle one user's row of the data has four of its ten items
    stored; only these four rows of Y are read. On the right their weighted products are added to the
    matrix, with lambda on the diagonal, and the small system is solved for x_u.
    """
    d = Drawing(680, 244)
    d.text(20, 22, "once for all rows", bold=True)
    d.cells(20, 34, 10, 4, 16, "fixed").text(20, 212, "Y, columns × f", small=True)
    d.arrow(92, 90, 122, 90)
    d.cells(128, 58, 4, 4, 16, "shared").text(138, 140, "a0 Y'Y", small=True)
    d.text(240, 22, "for each row u", bold=True)
    d.cells(250, 34, 10, 1, 16, lambda r, _: "stored" if r in _STORED else "faint")
    for r in _STORED:
        d.arrow(268, 42 + 16 * r, 302, 42 + 16 * r, role="blue")
        d.cells(306, 34 + 16 * r, 1, 4, 16, "fixed")
    d.text(250, 212, "its items, and of Y", small=True)
    d.text(250, 230, "only their n_u rows", small=True)
    d.text(392, 96, "+", bold=True)
    d.cells(420, 58, 4, 4, 16, lambda r, c: "warn" if r == c else "shared")
    d.text(420, 140, "A_u = a0 Y'Y", small=True)
    d.text(420, 158, "+ Σ w y y' + λI", small=True)
    d.arrow(494, 90, 536, 90)
    d.cells(546, 58, 4, 1, 16, "solved").text(572, 94, "x_u")
    return d
