"""Figures of how single rows are solved: in their own space, and until the rule ends them."""

from __future__ import annotations

import math

import numpy as np

from site_parts.drawing import Drawing

_THETA = 0.02


def smaller_system() -> Drawing:
    """A row of three entries and eight factors: the system of eight unknowns, or one of three.

    On the left the row's three vectors z, of eight numbers each. Above, Z'WZ leads to a system of eight
    by eight. Below, W^1/2 Z Z' W^1/2 leads to a system of three by three, whose solution h gives the
    eight numbers of x as a combination of the three vectors.
    """
    d = Drawing(680, 330)
    d.text(20, 138, "the row's vectors", bold=True)
    d.cells(20, 150, 3, 8, 14, "row").text(20, 210, "Z_u, n_u × f", small=True)
    d.arrow(138, 150, 196, 106).arrow(138, 190, 196, 244)
    d.text(210, 22, "primal: f unknowns", bold=True)
    d.cells(210, 34, 8, 8, 14, lambda r, c: "warn" if r == c else "shared")
    d.text(210, 164, "I + Z'WZ", small=True)
    d.arrow(330, 90, 470, 90).text(400, 76, "solve for x", middle=True, small=True)
    d.cells(484, 34, 8, 1, 14, "solved").text(508, 94, "x")
    d.text(210, 214, "dual: n_u unknowns", bold=True)
    d.cells(210, 226, 3, 3, 14, lambda r, c: "warn" if r == c else "shared")
    d.text(210, 286, "I + W^½ ZZ' W^½", small=True)
    d.arrow(262, 246, 330, 246).text(296, 232, "solve", middle=True, small=True)
    d.cells(342, 226, 3, 1, 14, "stored").text(364, 250, "h")
    d.arrow(384, 246, 470, 246).text(427, 232, "Z'W^½ h", middle=True, small=True)
    d.cells(484, 196, 8, 1, 14, "solved").text(508, 256, "x, the same")
    return d


def gain_that_is_left() -> Drawing:
    """What a row can still gain, over what it has gained: it stops below theta.

    Two rows of the same thirty items with 32 factors, a mild one with weights of about one and a heavy
    one with weights in the thousands. For each step a bar shows the bound on what is left, divided by
    what has been gained, on a logarithmic scale. The mild row's first bar ends below the line of theta,
    0.02; the heavy row's bars fall from step to step and end below the line after several steps.
    """
    d = Drawing(680, 300)
    low, high, left, bottom, tall = -3.2, 2.2, 70.0, 250.0, 196.0

    def height(ratio: float) -> float:
        return (min(max(math.log10(ratio), low), high) - low) / (high - low) * tall

    for power in (-3, -2, -1, 0, 1, 2):
        y = bottom - height(10.0**power)
        d.line(left, y, 650, y, role="quiet").text(
            left - 8, y + 4, f"{10.0**power:g}", end=True, small=True
        )
    mild, heavy = _ratios(1.0), _ratios(3000.0)
    x = left + 16
    for name, ratios in (("mild row", mild), ("heavy row", heavy)):
        start = x
        for at, ratio in enumerate(ratios, 1):
            tip = height(ratio)
            done = ratio <= _THETA
            d.box(x, bottom - tip, 20, tip, "solved" if done else "warn")
            d.text(x + 10, bottom + 12, str(at), middle=True, small=True)
            x += 26
        d.text(start, bottom + 38, name, bold=True)
        x += 60
    d.line(left, bottom - height(_THETA), 650, bottom - height(_THETA), dashed=True, role="orange")
    d.text(648, bottom - height(_THETA) - 6, "θ = 0.02", end=True, small=True)
    d.text(20, 22, "bound on what is left / gained so far, after each step")
    return d


def _ratios(size: float) -> list[float]:
    """Return left / gained after each step of a row, until the rule ends it."""
    rng = np.random.default_rng(2)
    columns, f, n = 400, 32, 30
    Y = rng.standard_normal((columns, f)) * 0.9 ** np.arange(f)
    R = np.linalg.cholesky(Y.T @ Y + np.eye(f)).T
    Z = np.linalg.solve(R.T, Y[:n].T).T
    w = size * rng.lognormal(0, 1 if size > 1 else 0.3, n)
    A, b = np.eye(f) + (Z.T * w) @ Z, Z.T @ (1 + w)
    r = b
    p, rr, g, gained = r, float(r @ r), 1.0, 0.0
    found: list[float] = []
    while len(found) < f and (not found or found[-1] > _THETA):
        Ap = A @ p
        alpha = rr / float(p @ Ap)
        gained += alpha * rr
        r = r - alpha * Ap
        rest, new = g - alpha, float(r @ r)
        g = rest / (rest + new / rr)
        found.append(min(rest * rr, g * new) / gained)
        p = r + new / rr * p
        rr = new
    return found
