"""One sentence for each chart that says what is to be seen in it."""

from __future__ import annotations

from collections.abc import Sequence

from halfstep.bench import cells
from halfstep.bench.curves import Curve
from halfstep.bench.record import CaseRecord


def objective_headline(case: CaseRecord) -> str:
    """Say who reaches the target first, and how much sooner than the reference."""
    reached = [
        (row.seconds_to_target.median, row)
        for row in case.rows
        if row.seconds_to_target is not None
    ]
    if not reached:
        return "No solver was timed to the target objective."
    seconds, first = min(reached, key=lambda pair: pair[0])
    sentence = f"{first.solver} reaches the target objective first, in {cells.duration(seconds)}"
    if first.solver == case.reference:
        return f"{sentence}; it is the reference."
    if first.speed_up is None:
        return f"{sentence}."
    low, high = first.speed_up.lowest, first.speed_up.highest
    return (
        f"{sentence}: {first.speed_up.median:.2g} times as fast as {case.reference} "
        f"(pairs: {low:.2g} to {high:.2g})."
    )


def quality_headline(case: CaseRecord) -> str:
    """Say which solvers are as good as the reference, and which are not."""
    groups: dict[str, list[str]] = {}
    for row in case.rows:
        if row.judgement is not None and row.kind != "baseline":
            groups.setdefault(row.judgement.verdict, []).append(row.solver)
    if not groups:
        return f"Held-out quality of {case.reference}; nothing was compared with it."
    phrases = {
        "equivalent": "as good as {}",
        "better": "better than {}",
        "worse": "worse than {}",
        "undecided": "not decided against {} by these users",
    }
    parts = [
        f"{', '.join(groups[word])}: {phrase.format(case.reference)}"
        for word, phrase in phrases.items()
        if word in groups
    ]
    return f"Quality: {'; '.join(parts)}."


def sweep_headline(curves: Sequence[Curve], label: str) -> str:
    """Say who has the shortest iteration at the smallest and at the largest size."""
    sizes = sorted({x for curve in curves for x in curve.x})
    fastest = []
    for size in (sizes[0], sizes[-1]):
        at_size = [
            (y, curve.name)
            for curve in curves
            for x, y in zip(curve.x, curve.y, strict=True)
            if x == size
        ]
        fastest.append(min(at_size)[1])
    what = label.removesuffix(" f")
    if fastest[0] == fastest[1]:
        return (
            f"{fastest[0]} has the shortest iteration from {sizes[0]:,g} to {sizes[-1]:,g} {what}."
        )
    return (
        f"{fastest[0]} has the shortest iteration at {sizes[0]:,g} {what}, "
        f"{fastest[1]} at {sizes[-1]:,g}."
    )
