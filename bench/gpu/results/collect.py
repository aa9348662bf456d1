"""From the lines of `results.jsonl` to one results file of a card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from halfstep.bench.gpu.contest import OUT_OF_TIME
from halfstep.bench.gpu.plan import BEST, EXACT
from halfstep.bench.gpu.record import SCHEMA, GpuResults, GpuTable, Peaks
from halfstep.bench.method.spread import Spread
from halfstep.bench.results_file import decode
from halfstep.bench.schema import SCHEMA as ROWS_SCHEMA
from halfstep.bench.schema import Environment
from halfstep.errors import InputError

Line = dict[str, Any]
_LISTS = {
    "ceiling": "ceilings", "smoke": "smoke", "parity": "parity", "sanitize": "sanitizer",
    "timeline": "timelines", "scaling": "scaling", "options": "options",
}  # fmt: skip
_SINGLE = ("queries", "streaming", "half", "billion")


def read_lines(file: Path) -> tuple[list[Line], list[str]]:
    """Return the records of a results file, and a sentence for each line that is none.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error
    found, torn = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and isinstance(value.get("part"), str):
            found.append(value)
        else:
            torn.append(f"{file.parent.name}/{file.name}, line {number}: torn, skipped")
    return found, torn


def collect(files: Sequence[Path]) -> GpuResults:
    """Return what the stages found whose `results.jsonl` these are; of a repeated part, the last.

    Raises
    ------
    InputError
        A file cannot be read or has no stage, or they are of different cards, or not all emulated.
    """
    lines: list[Line] = []
    left_out: list[str] = []
    for file in files:
        read, torn = read_lines(file)
        if not any(line["part"] == "stage" for line in read):
            raise InputError(f"{file}: must hold a stage of make gpu, got none")
        lines += read
        left_out += torn
    lines = _last_runs(lines)
    stages = [line for line in lines if line["part"] == "stage"]
    emulated, cards = ({stage.get(key) for stage in stages} for key in ("emulated", "gpu"))
    if len(emulated) != 1 or len(cards) != 1:
        named = ", ".join(
            "the emulator" if stage.get("emulated") else str(stage.get("gpu")) for stage in stages
        )
        raise InputError(f"the stages must be of one card, got {named}")
    results = GpuResults(SCHEMA, bool(stages[0].get("emulated")), _unknown(stages[0]), None)
    tables: dict[tuple[str, int], GpuTable] = {}
    for line in lines:
        try:
            _take(results, tables, line, left_out)
        except (InputError, KeyError, TypeError, ValueError) as error:
            left_out.append(f"a record of {line['part']} does not fit: {error}"[:300])
    results.tables = list(tables.values())
    results.peaks = _peaks(results.ceilings)
    results.exact = exact_against(results.tables, BEST) if results.tables else None
    results.left_out = list(dict.fromkeys(left_out))
    return results


def _last_runs(lines: Sequence[Line]) -> list[Line]:
    """Return the records of the last run of each stage; files that were appended to hold several."""
    runs: dict[str, list[Line]] = {}
    name = ""
    for line in lines:
        if line["part"] == "stage":
            name = str(line.get("name"))
            runs[name] = []
        runs.setdefault(name, []).append(line)
    return [line for run in runs.values() for line in run]


def _take(
    results: GpuResults, tables: dict[tuple[str, int], GpuTable], line: Line, left_out: list[str]
) -> None:
    """Put a record where it belongs."""
    part, found = line["part"], {k: v for k, v in line.items() if k not in ("part", "at")}
    if "error" in found and part != "options":
        left_out.append(
            f"{part} {' '.join(map(str, found.get('arguments', ())))}: {found['error']}"
        )
    elif part == "environment":
        results.environment = decode(Environment, found["environment"], part, ROWS_SCHEMA)
    elif part == "contest":
        table: GpuTable = decode(GpuTable, found["table"], part, ROWS_SCHEMA)
        key = table.shape, table.case.factors
        tables.pop(key, None)
        tables[key] = table
    elif part in _LISTS:
        getattr(results, _LISTS[part]).append(found)
    elif part in _SINGLE:
        setattr(results, part, dict(found["found"]))
    elif part == "tests":
        results.tests = found
    elif part == "done":
        results.seconds += float(found["seconds"])
    elif part == "left_out":
        left_out.append(f"{found['name']}: {found['reason']}")
    elif part == "ended" and found["code"] != 0:
        how = "took too long" if found["timed_out"] else f"exit code {found['code']}"
        left_out.append(f"{found['name']}: {how}")


def _unknown(stage: Line) -> Environment:
    """Return the environment of a run whose part `environment` left nothing."""
    return Environment("unknown", None, {}, [], "unknown", "unknown", 0, None, stage.get("gpu"))


def _peaks(ceilings: Sequence[Line]) -> Peaks | None:
    copies = [one["bytes_per_second"] for one in ceilings if one.get("what") == "copy"]
    products = [one["flops_per_second"] for one in ceilings if "flops_per_second" in one]
    return Peaks(max(copies), max(products, default=0.0)) if copies else None


def exact_against(tables: Sequence[GpuTable], cg: str, exact: str = EXACT) -> dict[str, Any]:
    """Compare exact half-steps with the solver `cg` and with the reference, in the first table.

    `iteration_ratio` is the time of an exact iteration over that of `cg`; `speed_up_to_target` is the
    reference's time to the target over that of the exact solver.
    """
    if not tables:
        return {"cannot_run": "the first table is missing"}
    case = tables[0].case
    rows = {row.solver: row for row in case.rows}
    found: dict[str, Any] = {"factors": case.factors, "shape": tables[0].shape}
    if exact not in rows or rows[exact].seconds_per_iteration is None:
        reason = rows[exact].reason if exact in rows else None
        return {**found, "cannot_run": f"{exact}: {reason or OUT_OF_TIME}"}
    names = [name for name in (exact, cg, case.reference) if name in rows]
    each = {name: _median(rows[name].seconds_per_iteration) for name in names}
    reached = {name: _median(rows[name].seconds_to_target) for name in names}
    return {
        **found,
        "exact": exact,
        "cg": cg,
        "reference": case.reference,
        "seconds_per_iteration": each,
        "seconds_to_target": reached,
        "iteration_ratio": _over(each[exact], each.get(cg)),
        "speed_up_to_target": _over(reached.get(case.reference), reached[exact]),
    }


def _median(found: Spread | None) -> float | None:
    return None if found is None else found.median


def _over(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None
