"""The suites `memory` and `preparation`: the peak of a fit, and what comes before its first half-step.

`memory`: the peak of a fit of two iterations, f = 64, on generated data of 30 million entries with
weights that need no array of their own (implicit) and that do (log), and on music-full. It is set
against what no fit can do without: both sides' entries, 8 bytes each, and the factors once. What the
interpreter and the compiled code take before the data is read is left out of that ratio, and named.

`preparation`: of 100 million entries, the checks, the weights and the transpose, and the hash of a
checkpoint; and of a fifth of them in other orders and forms, the sorting. Peaks are in copies: of 8
bytes for each entry.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import halfstep
from halfstep.bench.method.stages import Stage
from halfstep.bench.schema import Measure
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError

FACTORS = 64
ITERATIONS = 2
# (data, entries where it is generated, confidence)
FITS: tuple[tuple[str | None, int, str], ...] = (
    (None, 30_000_000, "implicit"),
    (None, 30_000_000, "log"),
    ("music-full", 0, "implicit"),
)
PREPARED_ENTRIES = 100_000_000
MEMORY, PREPARATION = "Peak memory of a fit", "Preparation of a fit"


def measure_memory(settings: BenchSettings, say: Callable[[str], None]) -> list[Measure]:
    """Return the seconds and, in words, the peak of each fit."""
    measures = []
    fits = FITS if settings.data is None else ((settings.data, 0, settings.confidence or "log"),)
    with tempfile.TemporaryDirectory() as folder:
        path, written = str(Path(folder) / "matrix.npz"), None
        for factors in settings.factors or (FACTORS,):
            for data, entries, confidence in fits:
                name = f"{data or f'{entries:,} entries'}, {confidence}"
                say(f"memory: {name}, f = {factors}")
                if written != (data, entries):
                    _stages("write", path=path, data=data, entries=entries, seed=settings.seed)
                    written = data, entries
                arguments = {
                    "factors": factors,
                    "iterations": ITERATIONS,
                    "confidence": confidence,
                    "regularization": 1.0,
                    "num_threads": settings.num_threads,
                    "random_state": settings.seed,
                }
                read, fit = _stages("fit", path=path, arguments=arguments)
                used = fit.peak - read.before
                detail = (
                    f"{name}: peak {used / 1e6:,.0f} MB, {used / fit.entry_bytes:.2f} times both sides "
                    f"and the factors ({fit.entry_bytes / 1e6:,.0f} MB); with interpreter and code "
                    f"{fit.peak / 1e6:,.0f} MB"
                )
                measures.append(_measure(f"{MEMORY}, f = {factors}", name, fit, detail))
    return measures


def measure_preparation(settings: BenchSettings, say: Callable[[str], None]) -> list[Measure]:
    """Return the seconds and, in words, the peak of each stage."""
    entries = PREPARED_ENTRIES
    say(f"preparation: {entries:,} entries")
    stages = _stages(
        "preparation", entries=entries, seed=settings.seed, threads=settings.num_threads
    )
    measures = []
    for stage in stages:
        held = stage.entry_bytes // 8
        copies = (stage.peak - stage.before) / stage.entry_bytes
        detail = f"{stage.name}: {held:,} entries, at its peak {copies:.2f} copies more than before"
        measures.append(_measure(PREPARATION, stage.name, stage, detail))
    return measures


def _measure(group: str, name: str, stage: Stage, detail: str) -> Measure:
    return Measure(group, name, [stage.seconds], reference="", speed_up=None, detail=detail)


def _stages(what: str, **arguments: Any) -> list[Stage]:
    """Return the stages that a process of its own went through.

    Raises
    ------
    InputError
        The process failed; the message has its last line.
    """
    environment = dict(os.environ)
    # The new process must find a bare clone of the package where this one found it.
    root = str(Path(halfstep.__file__).resolve().parent.parent)
    paths = [root, environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    command = [sys.executable, "-m", "halfstep.bench.method.stages", what, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"the process of '{what}' failed with exit code {done.returncode}: {last}")
    return [Stage(**json.loads(line)) for line in done.stdout.splitlines()]
