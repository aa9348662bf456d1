"""Figures of the first rungs on the CPU: which numbers of Y a row reads, and what it shares."""

from __future__ import annotations

from site_parts.drawing import Drawing

_STORED = (1, 4, 5, 9)


def gramian_once() -> Drawing:
    """The Gramian of all items is made once; a row adds only its stored entries to it.

    On the left the fixed factors Y, ten rows of four numbers, lead to one matrix a0 Y'Y of four by
    four, made once for the half-step. In the middle one user's row of the data has four of its ten items
    stored; only these four rows of Y are read. On the right their weighted products are added to the
    matrix, with lambda on the diagonal, and the small system is solved for x_u.
    """
    d = Drawing(640, 250)
    d.text(20, 22, "once for all rows", bold=True)
    d.cells(20, 34, 10, 4, 16, "fixed").text(20, 212, "Y, columns × f", small=True)
    d.arrow(92, 90, 122, 90)
    d.cells(128, 58, 4, 4, 16, "shared").text(128, 140, "a0 Y'Y", small=True)
    d.text(250, 22, "for row u", bold=True)
    d.cells(250, 34, 10, 1, 16, lambda r, _: "stored" if r in _STORED else "faint")
    d.text(240, 212, "row u's items", small=True)
    for r in _STORED:
        d.arrow(268, 42 + 16 * r, 302, 42 + 16 * r, role="blue")
        d.cells(306, 34 + 16 * r, 1, 4, 16, "fixed")
    d.text(306, 212, "its n_u rows of Y", small=True)
    d.text(386, 94, "+", bold=True)
    d.cells(410, 58, 4, 4, 16, lambda r, c: "warn" if r == c else "shared")
    d.text(410, 140, "A_u = a0 Y'Y + Σ w y y' + λI", small=True)
    d.arrow(486, 90, 520, 90)
    d.cells(530, 58, 4, 1, 16, "solved").text(556, 94, "x_u")
    return d
