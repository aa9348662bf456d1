"""What a run on a card leaves behind: the fields of the file that `make gpu` writes.

Its tables are cases as on the CPU, with the rows of `halfstep.bench.schema`. What proofs and the other
parts found has a form of its own in each, and is kept as they return it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from halfstep.bench.results_file import decode
from halfstep.bench.schema import SCHEMA as ROWS_SCHEMA
from halfstep.bench.schema import CaseRecord, Environment
from halfstep.errors import InputError

SCHEMA = "halfstep-gpu-2"


@dataclass(frozen=True)
class Peaks:
    """What the card was seen to do: bytes read plus written by a copy, and a float32 product."""

    bytes_per_second: float
    flops_per_second: float


@dataclass
class GpuTable:
    """One case on generated data; `shape` is a key of `halfstep.bench.gpu.shapes.SHAPES`."""

    shape: str
    users: int
    items: int
    entries: int
    case: CaseRecord


@dataclass
class GpuResults:
    """One run of `make gpu`.

    Attributes
    ----------
    peaks
        None on the emulator.
    tests, parity, sanitizer
        As `halfstep.bench.gpu.proofs` returns them; None for what was not run.
    exact
        See `halfstep.bench.gpu.contest.exact_against`.
    queries, streaming, half, billion
        See `halfstep.bench.gpu.parts`.
    left_out
        A line for each table that could not be measured.
    seconds
        From the beginning to the last part that was written.
    """

    schema: str
    quick: bool
    emulated: bool
    environment: Environment
    peaks: Peaks | None
    tests: dict[str, Any] | None = None
    parity: list[dict[str, Any]] = field(default_factory=list)
    sanitizer: dict[str, Any] | None = None
    tables: list[GpuTable] = field(default_factory=list)
    exact: dict[str, Any] | None = None
    queries: dict[str, Any] | None = None
    streaming: dict[str, Any] | None = None
    half: dict[str, Any] | None = None
    billion: dict[str, Any] | None = None
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0


def read_gpu(path: Path) -> GpuResults | None:
    """Return what `make gpu` wrote, or None where the file is something else.

    Raises
    ------
    InputError
        A field is missing, unknown or of the wrong type.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        return None
    try:
        found: GpuResults = decode(GpuResults, value, "results", ROWS_SCHEMA)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return found
