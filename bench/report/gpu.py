"""The README's tables of a run on a card, from the file that `make gpu` wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from halfstep.bench.report.numbers import NONE, duration, percent

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
    found = []
    for table in record["tables"]:
        found.append(f"**{table['shape']}, f = {table['factors']}** on {where}")
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
        found.append("\n".join(lines))
    equal = sum(bool(row.get("equal")) for row in record["parity"])
    reference = record["tables"][0]["reference"] if record["tables"] else NONE
    found.append(
        f"Target: the objective of {reference} after 10 iterations. {equal} of "
        f"{len(record['parity'])} GPU rungs end within 1e-5 of the CPU's exact objective."
    )
    return "\n\n".join([*found, *parts(record)])


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


def parts(record: dict[str, Any]) -> list[str]:
    """Return a paragraph or a table for each part that the record has, in order."""
    writers = {
        "exact": _exact,
        "queries": _queries,
        "streaming": _streaming,
        "billion": _streaming,
        "half": _half,
    }
    titles = {
        "exact": "Exact half-steps",
        "queries": "Top 10 for all users, those liked left out; evaluation",
        "streaming": "Streamed through little memory",
        "billion": "A thousand million entries",
        "half": "What 16 bits cost",
    }
    found = []
    for name, write in writers.items():
        part = record.get(name)
        if part is None:
            continue
        if part.get("cannot_run"):
            found.append(f"**{titles[name]}**: {part['cannot_run']}")
            continue
        shape = f", {part['shape']}" if part.get("shape") else ""
        found += [f"**{titles[name]}{shape}, f = {part['factors']}**", write(part)]
    return found


def _exact(part: dict[str, Any]) -> str:
    each, reached = part["seconds_per_iteration"], part["seconds_to_target"]
    lines = [
        (name, duration(each[name]), duration(reached.get(name)))
        for name in dict.fromkeys((part["exact"], part["cg"], part["reference"]))
        if name in each
    ]
    return (
        f"{_table(('solver', 'iteration', 'to target'), lines)}\n\n"
        f"An exact iteration takes {_times(part['iteration_ratio'])} that of {part['cg']}; to the "
        f"target it is {_times(part['speed_up_to_target'])} as fast as {part['reference']}."
    )


def _queries(part: dict[str, Any]) -> str:
    lines = [(name, duration(_middle(times))) for name, times in part["seconds"].items()]
    asked = f"{part['users_asked']:,} of {part['users']:,} users, {part['items']:,} items"
    said = (
        f"{_times(part['speed_up'])} as fast as {part['reference']}; "
        f"{part['same_lists']:.2%} of the items are the same."
        if part["reference"]
        else f"No reference: {part['no_reference']}."
    )
    quality = part["evaluation"]
    means = ", ".join(f"{name} {value:.4f}" for name, value in quality["means"].items())
    return (
        f"{_table(('solver', asked), lines)}\n\n{said} Evaluation of "
        f"{quality['users_evaluated']:,} users over all items on the device takes "
        f"{duration(quality['seconds'])} ({means}); the CPU's figures differ by at most "
        f"{quality['largest_difference_from_cpu']:.1e}."
    )


def _streaming(part: dict[str, Any]) -> str:
    lines = [
        (
            name,
            duration(part["seconds_per_iteration"].get(name)),
            duration(_middle(way["setup_seconds"])),
            way["cannot_run"] or way["plan"],
        )
        for name, way in part["ways"].items()
    ]
    share, equal = part["share_of_resident_speed"], part["equal_bits"]
    said = f"{part['entries']:,} entries."
    if share is not None:
        said += f" Streamed at {share:.0%} of the resident speed; the factors are "
        said += "equal bit for bit." if equal else "NOT equal bit for bit."
    return f"{_table(('entries', 'iteration', 'set-up', 'device memory'), lines)}\n\n{said}"


def _half(part: dict[str, Any]) -> str:
    headings = (
        "storage", "objective", "away", "ndcg@10", "away, ± standard error", "refused"
    )  # fmt: skip
    lines = []
    for row in part["rows"]:
        if row["cannot_run"]:
            lines.append((row["storage"], row["cannot_run"], *[NONE] * 4))
            continue
        apart = f"{row['ndcg_difference']:+.5f} ± {row['ndcg_standard_error']:.5f}"
        lines.append(
            (
                row["storage"], f"{row['objective']:.8g}", percent(row["objective_cost"]),
                f"{row['ndcg']:.4f}", apart, "yes" if row["refused"] else "no",
            )
        )  # fmt: skip
    return (
        f"{_table(headings, lines)}\n\nAfter {part['iterations']} iterations on "
        f"{part['entries']:,} entries, {part['users']:,} users evaluated; refused where one "
        f"half-step's objective is more than {part['margin']:.0e} higher."
    )


def _table(headings: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rules = ("---", *["---:"] * (len(headings) - 1))
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rules, *lines))


def _times(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f} times"


def _middle(times: list[float]) -> float | None:
    return sorted(times)[len(times) // 2] if times else None
