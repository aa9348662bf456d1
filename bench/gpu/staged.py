"""A run on a card in two stages, each part a process of its own: `make gpu-staged STAGE=first`.

    python -m halfstep.bench.gpu.staged first     # what the card gives, and how fast the rungs are on it
    python -m halfstep.bench.gpu.staged second    # tests, sanitizers, profiler, and what surrounds a fit
    python -m halfstep.bench.gpu.staged one PART [ARGUMENT ...]

`make gpu` does everything in one process. A kernel that touches a wrong address ends that process: every
later CUDA call of it fails, of the other rungs too. So this run is for a card that the kernels have not
met yet. A stage takes at most 540 seconds, what matters most comes first, and only rungs whose solutions
were right (`smoke`) are timed. `--emulate` runs what needs no card at a tiny size on the emulator of the
tests: it shows that the run works, no speed.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from halfstep.bench.gpu.device import ROOT, device
from halfstep.bench.gpu.plan import BEST, EXACT, NAIVE
from halfstep.bench.gpu.proofs import gpu_rungs
from halfstep.bench.gpu.staged_parts import FOR_CARD, PARTS
from halfstep.bench.gpu.staged_process import Place, Stage
from halfstep.kernels.cuda.backend import unavailable

SECONDS = 540.0
_SPLIT = "gpu_cg_6_split"


@dataclass(frozen=True)
class Sizes:
    """What a stage runs on.

    Attributes
    ----------
    shape, others
        Name of the data that all rungs are timed on, and of those that the best are timed on besides.
    factors
        Sizes f; all rungs are timed at the first.
    rungs
        The rungs to be tried, fastest first.
    patience
        See `Stage`.
    """

    shape: str
    others: tuple[str, ...]
    factors: tuple[int, ...]
    rungs: tuple[str, ...]
    patience: float = 1.0


def sizes(emulate: bool) -> Sizes:
    """Return the sizes for a card, or for the emulator."""
    if emulate:
        return Sizes("tiny", (), (8,), (BEST, NAIVE), patience=4.0)
    others = ("movielens-20m", "music-full")
    return Sizes("lastfm-360k", others, (128, 256, 64), tuple(gpu_rungs()))


def first(stage: Stage, of: Sizes) -> None:
    """Compile and try every rung, measure what the card can do, and time the rungs that are right."""
    # Data are generated on other cores while kernels are compiled and tried.
    data = [(shape, stage.start("data", shape)) for shape in (of.shape, *of.others)]
    stage.run(30, "environment")
    stage.run(75, "compile", *of.factors)
    good = [rung for rung in of.rungs if stage.run(20, "smoke", rung) == 0]
    stage.place.record("right", rungs=good)
    stage.run(30, "ceilings")
    for shape, process in data:
        stage.wait(45, f"data {shape}", process)
    for f in of.factors:
        stage.run(30, "timeline", of.shape, f, (good or of.rungs)[0])
    best = good[:2]
    for f in of.factors:
        everyone = f == of.factors[0]
        repeats, rungs = 2, good if everyone else best
        stage.run(90 if everyone else 60, "contest", of.shape, f, repeats, *rungs)
    for shape in of.others:
        for f in of.factors:
            stage.run(45, "contest", shape, f, 1, *best)


def second(stage: Stage, of: Sizes) -> None:
    """Run the card's tests, sanitizers and profiler, and measure what surrounds a fit."""
    data, cpu = stage.start("data", of.shape), stage.start("cpu")
    stage.run(60, "compile", "tests")
    stage.run(150, "tests")
    for rung in (BEST, _SPLIT, EXACT):
        for tool in ("memcheck", "racecheck"):
            stage.run(40, "sanitize", tool, rung)
    stage.run(45, "sanitize", "memcheck", "queries")
    stage.wait(30, f"data {of.shape}", data)
    stage.wait(30, "cpu", cpu)
    for f in of.factors[:2]:
        stage.run(75, "profile", of.shape, f, BEST)
    for part, limit in (("queries", 60), ("streaming", 60), ("half", 40)):
        stage.run(limit, "surrounding", of.shape, part)


STAGES: dict[str, Callable[[Stage, Sizes], None]] = {"first": first, "second": second}


def main(arguments: list[str] | None = None) -> int:
    """Run a stage or a part; exit code 0, 1 where a part failed, 2 where nothing could run."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m halfstep.bench.gpu.staged"
    )
    parser.add_argument("stage", choices=(*STAGES, "one"))
    parser.add_argument("part", nargs="*", help=f"after 'one': {', '.join(PARTS)}; its arguments")
    parser.add_argument("--emulate", action="store_true", help="tiny, on the tests' emulator")
    out = Path(os.environ.get("OUT") or ROOT / "build" / "gpu-staged")
    parser.add_argument(
        "--out", type=Path, default=out, help="folder of results; $OUT or %(default)s"
    )
    data = ROOT / "build" / "gpu-data"
    parser.add_argument("--data", type=Path, default=data, help="folder of data; %(default)s")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for the stage; %(default)s")
    options = parser.parse_args(arguments)
    if options.stage != "one" and options.part:
        parser.error(f"{options.stage!r} takes no part, got {' '.join(options.part)}")
    if options.stage == "one" and not (options.part and options.part[0] in PARTS):
        parser.error(f"'one' takes a part and its arguments; parts are {', '.join(PARTS)}")
    place = Place(options.out.resolve(), options.data.resolve(), options.emulate)
    with device(options.emulate):
        reason = unavailable()
        if reason:
            print(f"cannot run here: {reason}", file=sys.stderr)
            return 2
        if options.stage == "one":
            return _one(place, *options.part)
    of = sizes(options.emulate)
    stage = Stage(place, options.seconds, FOR_CARD, of.patience)
    try:
        STAGES[options.stage](stage, of)
    finally:
        stage.end()
    return int(bool(stage.failed))


def _one(place: Place, name: str, *arguments: str) -> int:
    try:
        return PARTS[name](place, *arguments)
    except Exception as error:  # whatever it was, it is a result of this part
        traceback.print_exc()
        place.record(name, arguments=arguments, error=f"{type(error).__name__}: {error}"[:500])
        return 1


if __name__ == "__main__":
    sys.exit(main())
