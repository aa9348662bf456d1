"""Figures of the rungs that step: a product without a matrix, whitened coordinates, blocks."""

from __future__ import annotations

from site_parts.drawing import Drawing


def product_without_matrix() -> Drawing:
    """The product A_u p from the shared matrix and from the row's entries: A_u itself is never formed.

    Above, the shared matrix a0 Y'Y + lambda I of four by four times the vector p gives a vector. Below,
    the row's three rows of Y times p give three numbers q, each is multiplied by its weight w, and the
    three rows of Y, turned, times these numbers give another vector. The two vectors are added to A_u p.
    """
    d = Drawing(680, 270)
    d.text(20, 22, "shared by all rows", bold=True)
    d.cells(20, 34, 4, 4, 16, "shared").text(20, 116, "a0 Y'Y + λI", small=True)
    d.text(94, 72, "×").cells(112, 34, 4, 1, 16, "row").text(132, 72, "p")
    d.arrow(156, 66, 478, 66)
    d.text(20, 160, "of row u's own n_u entries", bold=True)
    d.cells(20, 182, 3, 4, 16, "fixed").text(20, 248, "Y_u, n_u × f", small=True)
    d.text(94, 212, "×").cells(112, 174, 4, 1, 16, "row").text(132, 212, "p")
    d.arrow(150, 206, 184, 206)
    d.cells(194, 182, 3, 1, 16, "stored").text(190, 248, "q = Y_u p", small=True)
    d.arrow(220, 206, 262, 206).text(241, 192, "× w", middle=True, small=True)
    d.cells(272, 182, 3, 1, 16, "stored")
    d.arrow(298, 206, 330, 206)
    d.cells(340, 174, 4, 3, 16, "fixed").text(340, 256, "Y_u'", small=True)
    d.text(394, 212, "×").cells(412, 182, 3, 1, 16, "stored").text(404, 248, "w q", small=True)
    d.arrow(436, 206, 478, 206)
    d.cells(488, 34, 4, 1, 16, "result").cells(488, 174, 4, 1, 16, "result")
    d.arrow(514, 66, 578, 116).arrow(514, 206, 578, 156)
    d.text(556, 141, "+", bold=True)
    d.cells(600, 104, 4, 1, 16, "solved").text(626, 142, "A_u p")
    return d


def whitened_coordinates() -> Drawing:
    """Once for a half-step, Y is multiplied by a triangle V; then the shared part is the identity.

    Above, the fixed factors Y, ten rows of four numbers, times the upper triangle V give Z of the same
    shape. Below on the left a row's matrix before: a full shared matrix of four by four plus the sum
    over the row's entries of w y y'. On the right after: the identity plus the sum of w z z'.
    """
    d = Drawing(680, 380)
    d.text(20, 22, "once for all rows", bold=True)
    d.cells(20, 34, 10, 4, 16, "fixed").text(20, 212, "Y, columns × f", small=True)
    d.text(98, 118, "×")
    d.cells(122, 82, 4, 4, 16, lambda r, c: "shared" if c >= r else "plain")
    d.text(122, 164, "V = R⁻¹", small=True)
    d.text(122, 182, "R'R = a0 Y'Y + λI", small=True)
    d.arrow(204, 114, 252, 114)
    d.cells(264, 34, 10, 4, 16, "row").text(264, 212, "Z, columns × f", small=True)
    d.text(380, 76, "rows of X: x~ = R x on the way in,", small=True)
    d.text(380, 96, "x = V x~ on the way out", small=True)
    d.text(20, 258, "a row's matrix before", bold=True)
    d.cells(20, 270, 4, 4, 16, "shared").text(94, 306, "+")
    d.cells(112, 270, 4, 4, 16, "fixed")
    d.text(20, 354, "a0 Y'Y + λI", small=True).text(112, 354, "Σ w y y'", small=True)
    d.arrow(212, 302, 300, 302).text(256, 288, "V' · V", middle=True, small=True)
    d.text(330, 258, "and after", bold=True)
    d.cells(330, 270, 4, 4, 16, lambda r, c: "shared" if r == c else "plain").text(404, 306, "+")
    d.cells(422, 270, 4, 4, 16, "row")
    d.text(330, 354, "I", small=True).text(422, 354, "Σ w z z'", small=True)
    return d


def block_of_coordinates() -> Drawing:
    """A step solves exactly for one block of coordinates, with the others held; a sweep takes all.

    On the left a row's matrix of eight by eight is cut into blocks of two; the diagonal block B is the
    small system. Its right-hand side is the residual in B, and its solution d changes these two numbers
    of x. On the right the sweep over all four blocks of x: block after block, each with a residual that
    knows of the changes before it.
    """
    d = Drawing(680, 250)

    def in_block(r: int, c: int) -> str:
        if r in (2, 3) and c in (2, 3):
            return "shared"
        return "faint" if r // 2 != c // 2 else "plain"

    d.text(20, 22, "one block", bold=True)
    d.cells(20, 34, 8, 8, 18, in_block).text(20, 200, "A, f × f", small=True)
    d.text(20, 218, "only A_BB is formed", small=True)
    d.arrow(170, 88, 204, 88)
    d.cells(214, 70, 2, 2, 18, "shared").text(214, 126, "A_BB", small=True)
    d.text(256, 93, "d  =").cells(292, 70, 2, 1, 18, "stored").text(290, 126, "r_B", small=True)
    d.text(370, 22, "one sweep", bold=True)
    for k in range(4):
        x = 370 + 72 * k

        def role(r: int, _: int, now: int = k) -> str:
            return "solved" if r // 2 == now else "row" if r // 2 < now else "plain"

        d.cells(x, 34, 8, 1, 18, role).text(x, 200, f"block {k + 1}", small=True)
        if k < 3:
            d.arrow(x + 26, 106, x + 64, 106)
    d.cells(370, 216, 1, 1, 16, "solved").text(392, 228, "solved now", small=True)
    d.cells(490, 216, 1, 1, 16, "row").text(512, 228, "changed before it", small=True)
    return d
