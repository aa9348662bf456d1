"""The stages of `make gpu` with three parts before them that are broken on purpose.

One crashes as a bad address does, one hangs with a child, and one writes garbage: to its output, and
half a line to the results. `halfstep.bench.gpu.rehearsal.run` checks that all else is as without them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from halfstep.bench.gpu.parts import PARTS
from halfstep.bench.gpu.process import RESULTS, Place, Stage
from halfstep.bench.gpu.rehearsal.run import BROKEN, GARBAGE_CODE
from halfstep.bench.gpu.run import main
from halfstep.bench.gpu.stages import STAGES, Sizes

_LIMIT = 1.5  # times the emulator's patience
_MODULE = "halfstep.bench.gpu.rehearsal.stages"


def crash(place: Place) -> int:
    """Die by a signal, in the middle of the work."""
    sys.stdout.write("about to touch a wrong address\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def hang(place: Place) -> int:
    """Wait for ever, deaf to a polite signal, with a child that waits too."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    place.record("hanging", processes=[os.getpid(), child.pid])
    time.sleep(3600)
    return 0


def garbage(place: Place) -> int:
    """Write what is no text, and half a line of results that is never ended."""
    os.write(1, bytes(range(256)) * 64)
    with (place.out / RESULTS).open("ab") as file:
        file.write(b'{"part": "contest", "table": {"shape": "ti')
    return GARBAGE_CODE


def _broken_first(plan: Callable[[Stage, Sizes], None]) -> Callable[[Stage, Sizes], None]:
    def stage(running: Stage, of: Sizes) -> None:
        for part in BROKEN:
            running.run(_LIMIT, part)
        plan(running, of)

    return stage


if __name__ == "__main__":
    broken = {"crash": crash, "hang": hang, "garbage": garbage}
    plans = {name: _broken_first(plan) for name, plan in STAGES.items()}
    sys.exit(main(None, {**PARTS, **broken}, plans, _MODULE))
