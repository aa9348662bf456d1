"""The exercises of counting: bytes, rows of each length, pieces of a hub, and which way costs less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from halfstep.lab.judging import NOTHING, Judged
from halfstep.lab.ladder.comparing import whole_number, whole_numbers, word
from halfstep.lab.ladder.exercise import Exercise, Problem


def _gathered(
    entries: int,
    factors: int,
    steps: int,
    kept: int,
    itemsize: int = 4,
    *,
    first: int = 1,
    least: float = 0,
) -> int:
    again = max(least, entries - kept)
    return int(itemsize * factors * (first * entries + steps * again))


def _without_itemsize(entries: int, factors: int, steps: int, kept: int, itemsize: int = 4) -> int:
    return _gathered(entries, factors, steps, kept)


def _rows_to_gather() -> list[Problem]:
    return [
        Problem(
            f"{n} entries, {f} factors, {steps} steps, {kept} kept"
            + ("" if not size else f", {size[0]} bytes a number"),
            (n, f, steps, kept, *size),
        )
        for n, f, steps, kept, *size in (
            (100, 64, 2, 0),
            (100, 64, 2, 40),
            (30, 128, 3, 40),
            (5000, 128, 5, 416, 2),
        )
    ]


BYTES_GATHERED = Exercise(
    what="bytes that a row gathers, with some entries kept",
    returns="a whole number",
    problems=_rows_to_gather,
    right=_gathered,
    mistakes={
        "the pass for the residual is left out": lambda *of: _gathered(*of, first=0),
        "every pass gathers all entries": lambda n, f, steps, kept, *size: _gathered(
            n, f, steps, 0, *size
        ),
        "all entries are kept": lambda n, f, steps, kept, *size: _gathered(n, f, steps, n, *size),
        "the kept entries are not gathered in the first pass": lambda n, f, steps, kept, *size: (
            _gathered(n, f, steps + 1, kept, *size, first=0)
        ),
        "a row of fewer entries than are kept saves more than it has": lambda *of: _gathered(
            *of, least=-np.inf
        ),
        "every number has 4 bytes": _without_itemsize,
        "numbers are counted, not bytes": lambda n, f, steps, kept, *size: _gathered(
            n, f, steps, kept, 1
        ),
        "entries are counted, not their factors": lambda n, f, *more: _gathered(n, 1, *more),
    },
    compare=whole_number,
    one_tells=False,
)


def _binned(
    degrees: Any,
    limits: Sequence[int],
    *,
    ascending: bool = False,
    reversed_ties: bool = False,
    side: Any = "right",
    from_the_end: bool = False,
) -> tuple[Any, Any]:
    order = np.argsort(-degrees, kind="stable")
    if reversed_ties:
        order = np.argsort(degrees, kind="stable")[::-1]
    if ascending:
        order = np.argsort(degrees, kind="stable")
    within = np.searchsorted(np.sort(degrees), limits, side=side)
    return order, within if from_the_end or ascending else len(degrees) - within


def _both(result: Any, right: Any) -> Judged:
    if result is None:
        return NOTHING
    if not isinstance(result, tuple | list) or len(result) != 2:
        kind = type(result).__name__
        said = f"it must return two arrays, the order and where bins begin, got {kind}"
        return Judged("wrong", said, "two arrays", kind)
    names = "the order of the rows", "where the bins begin"
    for name, one, must in zip(names, result, right, strict=True):
        judged = whole_numbers(one, must)
        if judged.state == "open":
            return Judged("wrong", f"{name}: it is None", "an array", "None")
        if judged.state != "right":
            return Judged("wrong", f"{name}: {judged.said}", judged.expected, judged.got)
    return Judged("right", "")


def _sides() -> list[Problem]:
    rng = np.random.default_rng(23)
    return [
        Problem("five rows", (np.array([3, 40, 0, 17, 8]), [5, 20])),
        Problem("equal degrees", (np.array([2, 7, 2, 7, 2, 7, 1]), [1, 2, 6])),
        Problem("sixty rows", (rng.integers(0, 12, 60), [2, 5, 9])),
    ]


BINS_OF_DEGREES = Exercise(
    what="rows by degree, and where each bin begins",
    returns="two arrays of whole numbers",
    problems=_sides,
    right=_binned,
    mistakes={
        "the lowest degree comes first": lambda *of: _binned(*of, ascending=True),
        "equal degrees stand in reverse order": lambda *of: _binned(*of, reversed_ties=True),
        "a row of exactly limits[k] entries is not in bin k": lambda *of: _binned(*of, side="left"),
        "the places are counted from the end": lambda *of: _binned(*of, from_the_end=True),
    },
    compare=_both,
)


def _pieces(entries: int, blocks: int) -> list[tuple[int, int]]:
    return [(entries * k // blocks, entries * (k + 1) // blocks) for k in range(blocks)]


def _are_pieces(result: Any, right: Any) -> Judged:
    """Judge pieces by what they must be, since the longer ones may stand anywhere."""
    if result is None:
        return NOTHING
    entries, blocks = right[-1][1], len(right)
    sizes = [stop - first for first, stop in right]
    expected = f"{blocks} pieces of {_range(sizes)} entries, from 0 to {entries}"
    try:
        pieces = [(int(first), int(stop)) for first, stop in result]
    except (TypeError, ValueError):
        said = "it must return a list of pairs (first, stop)"
        return Judged("wrong", said, expected, type(result).__name__)
    said = _amiss(pieces, entries, blocks)
    shown = ", ".join(str(piece) for piece in pieces[:4]) + (", ..." if len(pieces) > 4 else "")
    return Judged("wrong", said, expected, shown or "none") if said else Judged("right", "")


def _amiss(pieces: list[tuple[int, int]], entries: int, blocks: int) -> str:
    """Return what is wrong with pieces; "" if nothing is."""
    if len(pieces) != blocks:
        return f"there are {len(pieces)} pieces for {blocks} blocks"
    at = 0
    for k, (first, stop) in enumerate(pieces):
        if first != at:
            what = "entries between them are left out" if first > at else "they overlap"
            before = f"piece {k - 1} stops at {at}" if k else "the entries begin at 0"
            if not k:
                what = (
                    f"{abs(first)} entries are left out" if first > 0 else "there are none before"
                )
            return f"piece {k} begins at {first}, and {before}: {what}"
        at = stop
    if at != entries:
        what = f"{entries - at} of {entries} entries are left over" if at < entries else ""
        return what or f"the last piece stops at {at}, and there are {entries} entries"
    sizes = [stop - first for first, stop in pieces]
    if max(sizes) - min(sizes) > 1:
        return f"the pieces have {_range(sizes)} entries: their sizes differ by more than one"
    return ""


def _range(sizes: Sequence[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low}" if low == high else f"{low} to {high}"


PIECES_OF_HUB = Exercise(
    what="a hub's entries, cut for several blocks",
    returns="a list of pairs",
    problems=lambda: [
        Problem(f"{entries:,} entries, {blocks} blocks", (entries, blocks))
        for entries, blocks in ((12, 4), (10, 4), (7, 7), (5000, 1), (100_003, 98))
    ],
    right=_pieces,
    mistakes={},
    compare=_are_pieces,
)


def _cheaper(
    entries: int,
    factors: int,
    steps: int,
    *,
    passes: int = 1,
    once: int = 1,
    solution: float = 6.0,
    worth: int = 3,
    tie: bool = False,
    products: float = 0.0,
) -> str:
    gathered = worth * entries * factors
    by_steps = (steps + passes) * gathered
    exact = once * gathered + factors**3 / solution + products * entries * factors**2
    return "one pass" if exact < by_steps or (tie and exact == by_steps) else "steps"


def _rows_to_solve() -> list[Problem]:
    """Return rows on both sides of where the costs are equal, which is at 18 n s = f^2."""
    return [
        Problem(f"{n:,} entries, {f} factors, {steps} steps", (n, f, steps))
        for n, f, steps in (
            (100_000, 128, 2),
            (100, 128, 2),
            (400, 128, 2),
            (500, 128, 2),
            (300, 128, 4),
            (700, 128, 1),
            (1000, 128, 1),
            (32, 24, 1),
            (2000, 128, 1),
            (5000, 64, 40),
            (5000, 64, 15),
            (40, 64, 5),
            (50, 64, 5),
            (300, 256, 20),
        )
    ]


ONE_PASS_OR_STEPS = Exercise(
    what="whether one pass or steps cost a long row less",
    returns='"one pass" or "steps"',
    problems=_rows_to_solve,
    right=_cheaper,
    mistakes={
        "the pass for the residual is not counted": lambda *of: _cheaper(*of, passes=0),
        "the gathering of the one pass is not counted": lambda *of: _cheaper(*of, once=0),
        "the solution is counted as f^3 / 3": lambda *of: _cheaper(*of, solution=3.0),
        "a gathered number counts as one multiply-add": lambda *of: _cheaper(*of, worth=1),
        "the multiply-adds on the tensor cores are counted, too": lambda *of: _cheaper(
            *of, products=1.0
        ),
        "half of the multiply-adds on the tensor cores are counted": lambda *of: _cheaper(
            *of, products=0.5
        ),
        "equal costs take the one pass": lambda *of: _cheaper(*of, tie=True),
        "the two are mixed up": lambda *of: "steps" if _cheaper(*of) == "one pass" else "one pass",
    },
    compare=word("one pass", "steps"),
    one_tells=False,
)
