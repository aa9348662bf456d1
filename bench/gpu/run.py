"""Everything that needs a card, in one command: `make gpu`, or `python -m halfstep.bench.gpu.run`.

It runs the tests, parity, the benchmark and the sanitizers, and writes the results after each part, so
that a run that is cut off keeps them. `--quick` takes about two minutes, a full run less than nine.
`--emulate` runs everything at a tiny size on the emulator of the tests, which shows that the command
works and says nothing about speed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from halfstep.bench.environment import environment
from halfstep.bench.gpu import parts, proofs
from halfstep.bench.gpu.ceilings import best_seconds
from halfstep.bench.gpu.contest import exact_against
from halfstep.bench.gpu.device import ROOT, device
from halfstep.bench.gpu.plan import BEST, FIRST, REST, TINY, Tables
from halfstep.bench.gpu.record import SCHEMA, GpuResults, GpuTable, Peaks
from halfstep.bench.gpu.shapes import SHAPES
from halfstep.files import write_json
from halfstep.kernels.cuda.backend import current, unavailable
from halfstep.machine import gpu

_FULL, _QUICK = 520.0, 115.0


def main(arguments: list[str] | None = None) -> int:
    """Run all parts; exit code 0, 1 where a proof failed, 2 where nothing could run."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make gpu")
    parser.add_argument("--quick", action="store_true", help="two minutes: one data set, f = 128")
    parser.add_argument("--emulate", action="store_true", help="tiny, on the tests' emulator")
    parser.add_argument("--out", type=Path, help="results file; bench/results/gpu/DEVICE.json")
    options = parser.parse_args(arguments)
    with device(options.emulate):
        reason = unavailable()
        if reason:
            print(f"cannot run here: {reason}", file=sys.stderr)
            return 2
        return _run(options.quick, options.emulate, options.out)


def _run(quick: bool, emulate: bool, out: Path | None) -> int:
    budget = _QUICK if quick else _FULL
    begin = time.perf_counter()

    def left() -> float:
        return budget - (time.perf_counter() - begin)

    peaks = None if emulate else _peaks()
    results = GpuResults(SCHEMA, quick, emulate, environment(), peaks)
    name = "emulator" if emulate else _file_name(gpu() or "gpu")
    target = out or ROOT / "bench" / "results" / "gpu" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)

    def keep(part: str, value: Any) -> None:
        setattr(results, part, value)
        results.seconds = time.perf_counter() - begin
        write_json(target, results)
        print(f"[{results.seconds:6.1f} s] {part}: {_short(value)}", flush=True)

    keep(
        "parity",
        proofs.parity(SHAPES["tiny"], 8, iterations=3)
        if emulate
        else proofs.parity(proofs.SMALL, 64),
    )
    if not emulate:
        keep("tests", proofs.run_tests(30 if quick else 100))
    reserve = 0.0 if emulate else 15.0 if quick else 60.0  # for the sanitizer
    # The first tables must not take the time of the parts.
    for_parts = 0.0 if emulate else parts.wanted(quick)
    least = -1e9 if emulate else 5.0 if quick else 15.0
    tables = Tables(lambda found: keep("tables", found))
    results.left_out = tables.left_out
    first = TINY if emulate else FIRST[:1] if quick else FIRST
    tables.run(first, lambda: left() - reserve - for_parts, least)
    keep("exact", exact_against(tables.tables[:1], BEST))
    setting = parts.Setting(quick, emulate, lambda: tables.data(first[0][0]))
    for part in parts.PARTS:
        keep(part.name, parts.run(part, setting, left() - reserve))
    tables.run([] if quick or emulate else REST, lambda: left() - reserve, least)
    keep(
        "sanitizer",
        {"cannot_run": "emulated"} if emulate else proofs.sanitize(max(15.0, left())),
    )
    print(f"wrote {target}")
    return int(_failed(results))


def _failed(results: GpuResults) -> bool:
    """Whether a proof failed: parity, equal bits, the tests, or a sanitizer's check."""
    streamed = [part or {} for part in (results.streaming, results.billion)]
    checks = [check for check in (results.sanitizer or {}).values() if isinstance(check, dict)]
    return (
        any(row.get("equal") is False for row in results.parity)
        or any(part.get("equal_bits") is False for part in streamed)
        or (results.tests or {}).get("exit_code") == 1
        or any(check.get("exit_code") == 9 for check in checks)
    )


def _peaks() -> Peaks:
    """Measure the card's copy bandwidth, bytes read plus written, and its float32 products."""
    cupy = current().cupy  # type: ignore[attr-defined]
    a = cupy.random.random((1 << 28,), dtype=cupy.float32)
    b = cupy.empty_like(a)
    copied = 2 * a.nbytes / best_seconds(cupy, lambda: cupy.copyto(b, a))
    M = a[: 1 << 26].reshape(1 << 13, 1 << 13)
    return Peaks(copied, 2.0 * (1 << 39) / best_seconds(cupy, lambda: M @ M))


def _file_name(device: str) -> str:
    return "-".join(
        "".join(c if c.isalnum() else " " for c in device.split(",")[0]).lower().split()
    )


def _short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[-1], GpuTable):
        last = value[-1]
        times = {
            row.solver: f"{1e3 * row.seconds_per_iteration.median:.4g} ms"
            for row in last.case.rows
            if row.seconds_per_iteration is not None
        }
        return f"{last.shape}, f = {last.case.factors}: {times}"
    if isinstance(value, list):
        return f"{sum(bool(row.get('equal')) for row in value)} of {len(value)} equal"
    if isinstance(value, dict):
        return str({key: each for key, each in value.items() if not isinstance(each, dict | list)})
    return str(value)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
