"""The README's tables of a run on a card, from the file that `make gpu` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from halfstep.bench.cells import NONE, duration
from halfstep.bench.gpu_parts_table import parts as other_parts

SCHEMA = "halfstep-gpu-1"


def read_gpu(path: Path) -> dict[str, Any] | None:
    """Return what `make gpu` wrote, or None where the file is something else."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


def markdown(record: dict[str, Any]) -> str:
    """Return a table for each data set and number of factors, and what was proved before."""
    where = "the emulator (no speeds)" if record["emulated"] else record["environment"]["gpu"]
    parts = []
    for table in record["tables"]:
        parts.append(f"**{table['shape']}, f = {table['factors']}** on {where}")
        lines = [
            "| solver | iteration | to target | it. | set-up | device memory | of copy peak |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [_row(row, record["peaks"]) for row in table["rows"]]
        lines += [
            f"\n- {row['solver']}: {row['cannot_run']}"
            for row in table["rows"]
            if row["cannot_run"]
        ]
        parts.append("\n".join(lines))
    equal = sum(bool(row.get("equal")) for row in record["parity"])
    reference = record["tables"][0]["reference"] if record["tables"] else NONE
    parts.append(
        f"Target: the objective of {reference} after 10 iterations. {equal} of "
        f"{len(record['parity'])} GPU rungs end within 1e-5 of the CPU's exact objective."
    )
    return "\n\n".join([*parts, *other_parts(record)])


def _row(row: dict[str, Any], peaks: dict[str, float] | None) -> str:
    rate, memory = row.get("counted_bytes_per_second"), row.get("peak_device_bytes")
    setup = row["setup_seconds"]
    cells = (
        row["solver"],
        duration(row.get("seconds_per_iteration")),
        duration(row.get("seconds_to_target")),
        str(row.get("iterations_to_target") or NONE),
        duration(sorted(setup)[len(setup) // 2] if setup else None),
        f"{memory / 1e9:.2f} GB" if memory else NONE,
        f"{rate / peaks['bytes_per_second']:.0%}" if rate and peaks else NONE,
    )
    return f"| {' | '.join(cells)} |"
