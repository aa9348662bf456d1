"""The cost of an entry as the data grow: seconds and memory, from the cases of the suite `scaling`."""

from __future__ import annotations

from halfstep.bench.report import numbers
from halfstep.bench.report.tables import Table, thread_count
from halfstep.bench.schema import CaseRecord, DataRecord, Results, Row

HEADINGS = (
    "solver",
    "entries",
    "threads",
    "iteration",
    "per million entries",
    "peak memory",
    "of the bound",
)
BOUND_BYTES = 200_000_000


def growth_table(results: Results) -> Table | None:
    """Return a line for each solver and case; None for other suites and for a single data set."""
    if results.suite != "scaling" or len({dataset.entries for dataset in results.data}) < 2:
        return None
    found = [
        (row.solver, results.data[case.data].entries, case, row)
        for case in results.cases
        for row in case.rows
        if row.seconds_per_iteration is not None
    ]
    found.sort(key=lambda line: (line[0], line[2].num_threads, line[1]))
    return Table(
        title="growth",
        headings=HEADINGS,
        parts=("",) * len(HEADINGS),
        numeric=(False, *(True for _ in HEADINGS[1:])),
        lines=tuple(_line(results.data[case.data], case, row) for _, _, case, row in found),
        notes=(
            "bound: 8 bytes for each entry of both sides' CSR, their row pointers, both factor "
            f"matrices in float32, and {BOUND_BYTES // 10**6} MB",
        ),
    )


def bound_bytes(dataset: DataRecord, factors: int) -> int:
    """Return a generous bound of the bytes that a fit must hold: see the table's note."""
    rows = dataset.users + dataset.items
    return 2 * 8 * dataset.entries + 8 * rows + 4 * factors * rows + BOUND_BYTES


def _line(dataset: DataRecord, case: CaseRecord, row: Row) -> tuple[str, ...]:
    assert row.seconds_per_iteration is not None
    seconds, peak = row.seconds_per_iteration.median, row.peak_memory_bytes
    ratio = None if peak is None else peak / bound_bytes(dataset, case.factors)
    return (
        row.solver,
        f"{dataset.entries:,}",
        thread_count(case).removesuffix("s").removesuffix(" thread"),
        numbers.duration(seconds),
        numbers.duration(seconds / dataset.entries * 1e6),
        numbers.size(peak),
        numbers.NONE if ratio is None else f"{ratio:.2f}×",
    )
