"""What a run on a card leaves behind: the fields of the file that `make gpu-report` writes.

Its tables are cases as on the CPU, with the rows of `halfstep.bench.schema`. What the other parts found
has a form of its own in each, and is kept as they return it.
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

SCHEMA = "halfstep-gpu-3"


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
    """What both stages of `make gpu` found on one card.

    Attributes
    ----------
    peaks
        None on the emulator, or where the part `ceilings` found nothing.
    ceilings, smoke, parity, timelines, scaling, options
        The records of these parts, as they are written.
    tests
        Of pytest: `exit_code`, `said` and `failed`; None for what was not run, as below.
    sanitizer
        A record for each tool and what it watched.
    exact
        See `halfstep.bench.gpu.results.collect.exact_against`.
    queries, streaming, half, billion
        As the parts of these names return them.
    left_out
        A line for each part that has no result or failed, and for each torn line of the results.
    seconds
        Of all stages together.
    picture
        Name of the roofline picture, beside the page that shows it; "" where there is none.
    """

    schema: str
    emulated: bool
    environment: Environment
    peaks: Peaks | None
    ceilings: list[dict[str, Any]] = field(default_factory=list)
    smoke: list[dict[str, Any]] = field(default_factory=list)
    parity: list[dict[str, Any]] = field(default_factory=list)
    tests: dict[str, Any] | None = None
    sanitizer: list[dict[str, Any]] = field(default_factory=list)
    tables: list[GpuTable] = field(default_factory=list)
    timelines: list[dict[str, Any]] = field(default_factory=list)
    scaling: list[dict[str, Any]] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    exact: dict[str, Any] | None = None
    queries: dict[str, Any] | None = None
    streaming: dict[str, Any] | None = None
    half: dict[str, Any] | None = None
    billion: dict[str, Any] | None = None
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0
    picture: str = ""


def read_gpu(path: Path) -> GpuResults | None:
    """Return what `make gpu-report` wrote, or None where the file is something else.

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
