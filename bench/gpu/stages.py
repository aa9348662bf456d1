"""What the two stages of a run on a card do, in which order, and for how long at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from halfstep.bench.gpu.plan import BEST, EXACT, SPLIT, TENSOR, gpu_rungs
from halfstep.bench.gpu.process import Stage
from halfstep.bench.gpu.smoke import FACTORS


@dataclass(frozen=True)
class Sizes:
    """What a stage runs on.

    Attributes
    ----------
    shapes
        The data of contests; the first two, mild and raw counts, matter most.
    parity
        Shapes that are compared with the CPU, mild and raw.
    parity_factors, factors
        Sizes f of these; all rungs are timed at the first of `factors`, on the first shape.
    cpu
        The shape on which the CPU's threads are counted.
    streamed, halved, half_iterations
        The data of the parts `streaming` and `half`, and the iterations of the latter.
    rungs
        The rungs to be tried, fastest first.
    patience
        See `Stage`.
    """

    shapes: tuple[str, ...]
    parity: tuple[str, ...]
    parity_factors: int
    factors: tuple[int, ...]
    cpu: str
    streamed: str
    halved: str
    half_iterations: int
    rungs: tuple[str, ...]
    patience: float = 1.0


def sizes(emulate: bool) -> Sizes:
    """Return the sizes for a card, or for the emulator."""
    if emulate:
        return Sizes(
            ("tiny", "tiny-raw"), ("tiny-tastes", "tiny-tastes-raw"), 8, (8,), "tiny", "tiny",
            "tiny", 3, (BEST, EXACT), patience=4.0,
        )  # fmt: skip
    return Sizes(
        ("lastfm-360k", "lastfm-360k-raw", "movielens-20m", "music-full"),
        ("tastes", "tastes-raw"), 64, (128, 256, 64), "five-million", "streamed", "small", 10,
        tuple(gpu_rungs()),
    )  # fmt: skip


def first(stage: Stage, of: Sizes) -> None:
    """Compile and try every rung, measure what the card can do, and time the rungs that are right."""
    main, *others = of.shapes
    # Data and the CPU's side of parity are made on other cores while kernels are compiled and tried.
    shapes = dict.fromkeys((*of.shapes, of.cpu))
    beside = [(f"data {shape}", stage.start("data", shape)) for shape in shapes]
    reference = stage.start("reference", of.parity_factors, *of.parity)
    beside.append(("reference", reference))
    stage.run(30, "environment")
    stage.run(75, "compile", *dict.fromkeys((*of.factors, *FACTORS)))
    good = [rung for rung in of.rungs if stage.run(25, "smoke", rung) == 0]
    stage.place.record("right", rungs=good)
    stage.run(30, "ceilings")
    for name, process in beside:
        stage.wait(60, name, process)
    if not good:
        stage.run(60, "scaling", of.cpu, of.factors[0])
        return
    best = good[:2]
    stage.run(30, "timeline", main, of.factors[0], good[0])
    for shape in of.parity:
        stage.run(30, "parity", good[0], shape, of.parity_factors)
    stage.run(90, "contest", main, of.factors[0], 2, *good)
    stage.run(30, "options", main, of.factors[0], good[0])
    for f in of.factors[1:]:
        stage.run(20, "timeline", main, f, good[0])
    # The sizes of the main data, then its first size on the others, then the rest.
    cases = [(shape, of.factors[0]) for shape in others]
    cases[1:1] = [(main, f) for f in of.factors[1:]]
    cases += [(shape, f) for f in of.factors[1:] for shape in others]
    for shape, f in cases[:3]:
        stage.run(50, "contest", shape, f, 2, *best)
    stage.run(45, "scaling", of.cpu, of.factors[0])
    for shape, f in cases[3:]:
        stage.run(40, "contest", shape, f, 1, *best)
    for rung in good[1:]:
        for shape in of.parity:
            stage.run(30, "parity", rung, shape, of.parity_factors)


def second(stage: Stage, of: Sizes) -> None:
    """Run the card's tests, sanitizers and profiler, and measure what surrounds a fit."""
    main, f = of.shapes[0], of.factors[0]
    data = stage.start("data", main)
    stage.run(60, "compile", "tests")
    stage.run(150, "tests")
    for rung in (BEST, TENSOR, EXACT, SPLIT):
        for tool in ("memcheck", "racecheck"):
            stage.run(40, "sanitize", tool, rung)
    stage.run(45, "sanitize", "memcheck", "queries")
    stage.wait(40, f"data {main}", data)
    for size in of.factors[:2]:
        stage.run(75, "profile", main, size, BEST)
    stage.run(60, "profile", main, f, TENSOR)
    stage.run(60, "queries", main, f)
    stage.run(60, "streaming", of.streamed, f)
    stage.run(40, "half", of.halved, f, of.half_iterations)


STAGES: dict[str, Callable[[Stage, Sizes], None]] = {"first": first, "second": second}
