"""All that needs a card, in two stages, each part a process of its own: `make gpu STAGE=first`.

    python -m halfstep.bench.gpu.run first     # what the card gives, and how fast the rungs are on it
    python -m halfstep.bench.gpu.run second    # tests, sanitizers, profiler, and what surrounds a fit
    python -m halfstep.bench.gpu.run one PART [ARGUMENT ...]

A kernel that touches a wrong address ends its process: every later CUDA call of it fails. So no
process does more than one thing. A stage takes at most 540 seconds, what matters most comes first, and
only rungs whose solutions were right (`smoke`) are timed. `--emulate` runs what needs no card at a tiny
size on the emulator of the tests: it shows that the run works, no speed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from halfstep.bench.gpu.device import ROOT, device
from halfstep.bench.gpu.parts import FOR_CARD, PARTS
from halfstep.bench.gpu.process import Place, Stage
from halfstep.bench.gpu.stages import STAGES, Sizes, sizes
from halfstep.kernels.cuda.backend import unavailable
from halfstep.machine import gpu

SECONDS = 540.0
_INTERRUPTED = 130
Part: TypeAlias = Callable[..., int]
Plan: TypeAlias = Callable[[Stage, Sizes], None]


def main(
    arguments: list[str] | None = None,
    parts: Mapping[str, Part] = PARTS,
    stages: Mapping[str, Plan] = STAGES,
    module: str = "halfstep.bench.gpu.run",
) -> int:
    """Run a stage or a part; exit code 0, 1 where a part failed, 2 where nothing could run.

    Parameters
    ----------
    parts, stages
        By name; the rehearsal has some of its own.
    module
        The module that runs this with the same parts and stages.
    """
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m halfstep.bench.gpu.run")
    parser.add_argument("stage", choices=(*stages, "one"))
    parser.add_argument("part", nargs="*", help=f"after 'one': {', '.join(parts)}; its arguments")
    parser.add_argument("--emulate", action="store_true", help="tiny, on the tests' emulator")
    out = Path(os.environ.get("OUT") or ROOT / "build" / "gpu")
    parser.add_argument(
        "--out", type=Path, default=out, help="folder of results; $OUT or %(default)s"
    )
    data = ROOT / "build" / "gpu-data"
    parser.add_argument("--data", type=Path, default=data, help="folder of data; %(default)s")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for the stage; %(default)s")
    parser.add_argument("--limit", type=float, default=60.0, help="for one part; %(default)s")
    options = parser.parse_args(arguments)
    if options.stage != "one" and options.part:
        parser.error(f"{options.stage!r} takes no part, got {' '.join(options.part)}")
    if options.stage == "one" and not (options.part and options.part[0] in parts):
        parser.error(f"'one' takes a part and its arguments; parts are {', '.join(parts)}")
    folders = options.out.resolve(), options.data.resolve()
    place = Place(*folders, options.emulate, options.limit, module)
    with device(options.emulate):
        reason = unavailable()
        if reason:
            print(f"cannot run here: {reason}", file=sys.stderr)
            return 2
        if options.stage == "one":
            return _one(place, parts[options.part[0]], *options.part)
    return run_stage(place, options.stage, stages[options.stage], options.seconds)


def run_stage(place: Place, name: str, plan: Plan, seconds: float) -> int:
    """Run a stage; whatever ends it, Ctrl-C or SIGTERM too, its processes end with it."""
    of = sizes(place.emulate)
    stage = Stage(place, seconds, FOR_CARD, of.patience)
    before = {one: signal.signal(one, _interrupt) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        place.record("stage", name=name, emulated=place.emulate, gpu=gpu())
        plan(stage, of)
    except KeyboardInterrupt:
        stage.failed.append("interrupted")
        return _INTERRUPTED
    finally:
        for one in before:  # a second Ctrl-C must not leave processes
            signal.signal(one, signal.SIG_IGN)
        stage.end()
        for one, handler in before.items():
            signal.signal(one, handler)
    return int(bool(stage.failed))


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _one(place: Place, part: Part, name: str, *arguments: str) -> int:
    try:
        return part(place, *arguments)
    except Exception as error:  # whatever it was, it is a result of this part
        traceback.print_exc()
        place.record(name, arguments=arguments, error=f"{type(error).__name__}: {error}"[:500])
        return 1


if __name__ == "__main__":
    sys.exit(main())
