"""Rehearse a run on a card: `make gpu-rehearsal`, on the CPU, in about three minutes.

Both stages run on the tests' emulator with tiny data, in an environment that has only what the machine
with the card has, at its versions (`machine-packages.txt`). Three parts are broken on purpose: one
crashes, one hangs, one writes garbage. All the others' results must be there, within the limits, and a
report must come of them. Exit code 0 where all of that holds, else 1, with what does not.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from halfstep.bench.gpu.device import ROOT
from halfstep.bench.gpu.plan import CPU
from halfstep.bench.gpu.process import RESULTS, environment
from halfstep.bench.gpu.record import GpuResults, read_gpu
from halfstep.bench.gpu.rehearsal.replica import prepare
from halfstep.bench.gpu.results.collect import Line, read_lines

STAGES = ("first", "second")
BROKEN = ("crash", "hang", "garbage")
GARBAGE_CODE = 3
SECONDS = 360.0  # for both stages, about twice what they take on two idle cores
_HANG_SECONDS = 10.0
# What each stage must have recorded, besides how it went on.
_FOUND = {
    "first": (
        "environment", "tools", "data", "reference", "smoke", "right", "timeline", "parity", "contest",
        "options", "scaling",
    ),
    "second": ("queries", "streaming", "half"),
}  # fmt: skip
Claim = tuple[str, bool]


def main(arguments: list[str] | None = None) -> int:
    """Rehearse, and say what holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m halfstep.bench.gpu.rehearsal.run"
    )
    folder = ROOT / "build" / "rehearsal"
    parser.add_argument("--folder", type=Path, default=folder, help="%(default)s")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stage ends too
    folder = options.folder.resolve()
    began = time.monotonic()
    for line in prepare(folder / "venv"):
        print(f"unlike the machine with the card: {line}")
    print(f"environment ready after {time.monotonic() - began:.0f} s", flush=True)
    python = str(folder / "venv" / "bin" / "python")
    shutil.rmtree(folder / "data", ignore_errors=True)
    began, claims = time.monotonic(), []
    for stage in STAGES:
        out = folder / stage
        shutil.rmtree(out, ignore_errors=True)
        code = _stage(python, stage, out, folder / "data", SECONDS - (time.monotonic() - began))
        lines, torn = read_lines(out / RESULTS) if (out / RESULTS).exists() else ([], [])
        claims += list(check_stage(stage, code, lines, torn))
    claims += list(_check_report(python, folder))
    seconds = time.monotonic() - began
    claims.append((f"all of it took {seconds:.0f} of at most {SECONDS:.0f} s", seconds <= SECONDS))
    for said, holds in claims:
        print(f"{'holds' if holds else 'FAILS'}: {said}")
    return int(not all(holds for _, holds in claims))


def _stage(python: str, stage: str, out: Path, data: Path, seconds: float) -> int | None:
    """Run a stage with the broken parts; return its exit code, None where it had to be killed."""
    module = "halfstep.bench.gpu.rehearsal.stages"
    command = [python, "-m", module, "--emulate", "--out", str(out), "--data", str(data)]
    process = subprocess.Popen([*command, stage], cwd=ROOT, env=environment())
    try:
        return process.wait(max(1.0, seconds))
    except subprocess.TimeoutExpired:
        return None
    finally:
        process.terminate()  # which ends its parts
        process.wait()


def check_stage(
    stage: str, code: int | None, lines: Sequence[Line], torn: Sequence[str]
) -> Iterator[Claim]:
    """Yield each claim about a stage with the three broken parts, and whether it holds.

    Parameters
    ----------
    code
        The stage's exit code.
    lines, torn
        Its records, and a sentence for each line that is none.
    """
    by_part: dict[str, list[Line]] = {}
    for line in lines:
        by_part.setdefault(line["part"], []).append(line)
    ended = {line["name"]: line for line in by_part.get("ended", [])}
    crash, hang, garbage = (ended.get(name, {}) for name in BROKEN)
    yield f"{stage}: its exit code 1 says that parts failed", code == 1
    yield f"{stage}: the crash is a death by signal", (crash.get("code") or 0) < 0
    late = hang.get("timed_out") is True and hang["seconds"] <= _HANG_SECONDS
    yield f"{stage}: what hangs is killed at its limit", late
    left = [n for line in by_part.get("hanging", []) for n in line["processes"] if _runs(n)]
    yield f"{stage}: and so are its processes", "hanging" in by_part and not left
    yield f"{stage}: the garbage ended by its own code", garbage.get("code") == GARBAGE_CODE
    yield f"{stage}: its torn line is skipped, and said", len(torn) == 1
    for part in _FOUND[stage]:
        yield f"{stage}: {part} left results", part in by_part
    done = by_part.get("done", [{}])[-1]
    failed = done.get("failed")
    yield f"{stage}: only what is broken failed, got {failed}", failed == list(BROKEN)
    bad = [line for line in lines if "error" in line]
    yield f"{stage}: no part has an error, got {bad}"[:300], not bad
    every = all(line.get("reason") for line in by_part.get("left_out", []))
    yield f"{stage}: what is left out says why", every
    yield (
        f"{stage}: nothing is left out for want of time",
        not any(line["reason"] == "out of time" for line in by_part.get("left_out", [])),
    )


def _check_report(python: str, folder: Path) -> Iterator[Claim]:
    """Yield the claims about the report of both stages, made in a copy of the pages."""
    root = folder / "report"
    shutil.rmtree(root, ignore_errors=True)
    (root / "docs").mkdir(parents=True)
    shutil.copytree(ROOT / "bench" / "results", root / "bench" / "results")
    for page in ("README.md", "docs/measurements.md"):
        shutil.copy(ROOT / page, root / page)
    files = [str(folder / stage / RESULTS) for stage in STAGES]
    command = [python, "-m", "halfstep.bench.gpu.results.report", "--root", str(root), *files]
    yield "report: the emulator's results are refused", _code(command) == 1
    yield "report: but made where they are meant", _code([*command, "--emulated"]) == 0
    results = read_gpu(root / "bench" / "results" / "gpu" / "emulator.json")
    yield "report: its file is of the schema", results is not None
    if results is not None:
        yield from _check_results(results)
        yield "report: the picture is there", (root / "docs" / results.picture).is_file()
    said = (root / "docs" / "measurements.md").read_text(encoding="utf-8")
    yield "report: the page has its tables", "the emulator (no speeds)" in said


def _check_results(results: GpuResults) -> Iterator[Claim]:
    timed = {
        table.shape: [row.solver for row in table.case.rows if row.seconds]
        for table in results.tables
    }
    yield "contest: mild and raw counts", set(timed) == {"tiny", "tiny-raw"}
    right = [one["solver"] for one in results.smoke if one["right"]]
    every = all({*right, CPU} <= set(names) for names in timed.values())
    yield f"contest: {', '.join([*right, CPU])} are timed", bool(right) and every
    equal: list[Any] = [one["equal"] for one in results.parity]
    yield "parity: every comparison with the CPU holds", len(equal) == 4 and all(equal)
    streamed = results.streaming or {}
    yield "streaming: the same bits", streamed.get("equal_bits") is True


def _code(command: list[str]) -> int:
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    print(done.stdout[-2000:] + done.stderr[-2000:], flush=True)
    return done.returncode


def _runs(process: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


if __name__ == "__main__":
    sys.exit(main())
