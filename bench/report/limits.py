"""The tables of the suites `roofline` and `threads`: an iteration phase by phase."""

from __future__ import annotations

from collections.abc import Sequence

from halfstep.bench.limits.amdahl import serial_fraction, speed_up
from halfstep.bench.limits.record import SERIAL, PhaseCell, PhaseRecord
from halfstep.bench.limits.work import loops_share
from halfstep.bench.report import numbers
from halfstep.bench.report.tables import Table
from halfstep.bench.schema import Results
from halfstep.kernels.phases import WAITING

# The goals: of an iteration against its roof, and of a serial phase at two threads.
ROOF_GOAL, SERIAL_GOAL = 1.5, 0.03
_FORECAST = (4, 16, 64)


def limits_tables(results: Results) -> list[Table]:
    """Return the tables of a run; none for other suites."""
    if not results.phases:
        return []
    if results.suite == "roofline":
        return [
            summary_table(results),
            rates_table(results),
            *(phase_table(results, cell) for cell in results.phases),
        ]
    return [amdahl_table(results), *threads_tables(results)]


def name_of(results: Results, cell: PhaseCell) -> str:
    """Return the data set and f of a cell."""
    return f"{results.data[cell.data].name}, f = {cell.factors}"


def roofs(cell: PhaseCell) -> tuple[float, float]:
    """Return the sum of all phases' roofs, and the higher of the two bounds of the whole iteration.

    The second is what perfect overlap of moving and computing would take.
    """
    total = sum(phase.roof() or 0.0 for phase in cell.phases)
    arithmetic = sum(phase.at_peak or 0.0 for phase in cell.phases)
    moving = sum(phase.at_bandwidth or 0.0 for phase in cell.phases)
    return total, max(arithmetic, moving)


def summary_table(results: Results) -> Table:
    """Return a line for each data set and f: the iteration against its roofs."""
    lines = []
    for cell in results.phases:
        total, whole = roofs(cell)
        seconds = cell.median()
        lines.append(
            (
                name_of(results, cell),
                numbers.duration(seconds),
                numbers.duration(cell.running()),
                numbers.duration(total),
                _times(cell.running(), total),
                numbers.duration(whole),
                _times(cell.running(), whole),
                f"{cell.steps:.2f}",
                f"{cell.stored_bytes} bytes",
                f"{100 * loops_share(cell.factors, cell.stored_bytes):.0f} %",
                f"{100 * _loops_reached(cell):.0f} %",
            )
        )
    return Table(
        title="An iteration against its roof",
        headings=(
            "data, size", "iteration", "without waiting", "its phases' roofs", "times that",
            "the higher bound of the whole", "times that", "steps a row", "a number of Z",
            "loops / products by count", "measured",
        ),
        parts=("",) * 11,
        numeric=(False, *(True,) * 10),
        lines=tuple(lines),
        notes=(f"goal: at most {ROOF_GOAL:g} times for f = 32, 64 and 128",),
    )  # fmt: skip


def _loops_reached(cell: PhaseCell) -> float:
    rates = {rate.what: rate.per_second for rate in cell.rates}
    return rates["loops"] / rates["float32 products"]


def rates_table(results: Results) -> Table:
    """Return what the machine did, a line for each data set and f."""
    lines = []
    for cell in results.phases:
        by_name: dict[str, list[float]] = {}
        for rate in cell.rates:
            by_name.setdefault(rate.what, []).append(rate.per_second / 1e9)
        own, *spread_out = by_name["gather"]
        lines.append(
            (
                name_of(results, cell),
                *(f"{by_name[what][0]:.0f}" for what in ("float32 products", "loops")),
                *(f"{rate:.1f}" for rate in (*by_name["copy"], own, *spread_out)),
            )
        )
    return Table(
        title="What the machine does where nothing else is to be done",
        headings=(
            "data, size", "products, GFLOP/s", "our loops in cache, GFLOP/s",
            "copy of the factors, GB/s",
            "copy of 1 GiB", "gather as the data ask", "float32 rows, cache", "float32, memory",
            "bfloat16, cache", "bfloat16, memory",
        ),
        parts=("",) * 10,
        numeric=(False, *(True,) * 9),
        lines=tuple(lines),
        notes=(
            "gathers are of rows of f numbers: in the data's own order from a table as large as the "
            "solver's, then at random from a table of the smaller side's rows and from one of 1 GiB",
        ),
    )  # fmt: skip


def phase_table(results: Results, cell: PhaseCell) -> Table:
    """Return what each phase of an iteration takes, computes and moves, and its roof."""
    whole = cell.median()
    lines = []
    for phase in cell.phases:
        if phase.phase == WAITING:
            continue
        seconds, roof = phase.seconds(cell.threads), phase.roof()
        lines.append(
            (
                phase.phase,
                numbers.duration(seconds),
                _share(seconds, whole),
                _giga(phase.operations),
                _giga(_rate(phase.operations, seconds)),
                _giga(phase.bytes),
                _giga(_rate(phase.bytes, seconds)),
                _bound(phase),
                numbers.duration(roof),
                _times(seconds, roof),
            )
        )
    idle = cell.waiting()
    blank = (numbers.NONE,) * 7
    lines.append((WAITING, numbers.duration(idle), _share(idle, whole), *blank))
    total, _ = roofs(cell)
    operations = sum(p.operations or 0 for p in cell.phases)
    moved = sum(p.bytes or 0 for p in cell.phases)
    lines.append(
        (
            "iteration", numbers.duration(whole), _share(whole, whole), _giga(operations),
            _giga(_rate(operations, whole)), _giga(moved), _giga(_rate(moved, whole)), "",
            numbers.duration(total), _times(cell.running(), total),
        )
    )  # fmt: skip
    return Table(
        title=f"{name_of(results, cell)}, {cell.threads} threads",
        headings=(
            "phase", "time", "share", "G operations", "GFLOP/s", "GB", "GB/s", "bound by", "roof",
            "times the roof",
        ),
        parts=("",) * 10,
        numeric=(False, *(True,) * 6, False, True, True),
        lines=tuple(lines),
        notes=(),
    )  # fmt: skip


def threads_tables(results: Results) -> list[Table]:
    """Return a table for each data set and f: each phase's time with each number of threads."""
    groups: dict[str, list[PhaseCell]] = {}
    for cell in results.phases:
        groups.setdefault(name_of(results, cell), []).append(cell)
    return [_threads_table(title, cells) for title, cells in groups.items()]


def _threads_table(title: str, cells: Sequence[PhaseCell]) -> Table:
    two = next((cell for cell in cells if cell.threads == 2), cells[-1])
    names = list(
        dict.fromkeys(p.phase for cell in cells for p in cell.phases if p.phase != WAITING)
    )
    lines = []
    for name in names:
        times = [_seconds(cell, name) for cell in cells]
        lines.append((name, *_columns(times, cells), _share(_seconds(two, name), two.median())))
    idle = [cell.waiting() for cell in cells]
    lines.append((WAITING, *_columns(idle, cells), _share(two.waiting(), two.median())))
    whole = [cell.median() for cell in cells]
    lines.append(("iteration", *_columns(whole, cells), _share(1, 1)))
    outside = [sorted(cell.outside)[len(cell.outside) // 2] for cell in cells]
    lines.append(("outside of the iterations", *_columns(outside, cells), ""))
    headings = [f"{cell.threads} thread{'s' if cell.threads > 1 else ''}" for cell in cells]
    return Table(
        title=title,
        headings=("phase", *headings, f"share at {two.threads}"),
        parts=("",) * (len(cells) + 2),
        numeric=(False, *(True,) * (len(cells) + 1)),
        lines=tuple(lines),
        notes=(
            f"serial phases: {', '.join(SERIAL)}; goal: none over {100 * SERIAL_GOAL:g} % at 2 threads",
            "in brackets: times as fast as with one thread",
            f"not measured above {max(cell.threads for cell in cells)} threads",
        ),
    )


def amdahl_table(results: Results) -> Table:
    """Return Amdahl's fit for each data set and f, and what it foretells."""
    groups: dict[str, list[PhaseCell]] = {}
    for cell in results.phases:
        groups.setdefault(name_of(results, cell), []).append(cell)
    lines = []
    for title, cells in groups.items():
        one = next(cell for cell in cells if cell.threads == 1)
        for cell in (cell for cell in cells if cell.threads > 1):
            s = serial_fraction(one.of_fit(), cell.of_fit(), cell.threads)
            serial = sum(_seconds(cell, name) for name in SERIAL)
            largest, longest = max(
                ((n, _seconds(cell, n)) for n in SERIAL), key=lambda each: each[1]
            )
            lines.append(
                (
                    title,
                    str(cell.threads),
                    f"{one.median() / cell.median():.2f}×",
                    f"{100 * s:.1f} %",
                    f"{100 * serial / one.median():.1f} %",
                    f"{largest}, {_share(longest, cell.median())}",
                    *(f"{speed_up(s, n):.1f}×" for n in _FORECAST),
                )
            )
    most = max(cell.threads for cell in results.phases)
    return Table(
        title="Amdahl's law",
        headings=(
            "data, size", "threads", "times as fast as one", "serial share s", "serial phases / T(1)",
            "the largest of them", *(f"foretold for {n}" for n in _FORECAST),
        ),
        parts=("",) * 9,
        numeric=(False, *(True,) * 4, False, *(True,) * 3),
        lines=tuple(lines),
        notes=(
            "s = (n T(n) / T(1) - 1) / (n - 1), the median over rounds",
            f"not measured above {most} threads: what is foretold is the law, and no measurement",
        ),
    )  # fmt: skip


def _columns(times: Sequence[float], cells: Sequence[PhaseCell]) -> list[str]:
    first = times[0]
    shown = [numbers.duration(times[0])]
    for seconds in times[1:]:
        gain = f" ({first / seconds:.2f}×)" if seconds and first else ""
        shown.append(f"{numbers.duration(seconds)}{gain}")
    return shown


def _seconds(cell: PhaseCell, name: str) -> float:
    phase = cell.phase(name)
    return phase.seconds(cell.threads) if phase else 0.0


def _bound(phase: PhaseRecord) -> str:
    if phase.at_peak is None or phase.at_bandwidth is None:
        return numbers.NONE
    return "products" if phase.at_peak >= phase.at_bandwidth else "moving"


def _rate(amount: float | None, seconds: float) -> float | None:
    return None if amount is None or not seconds else amount / seconds


def _giga(value: float | None) -> str:
    return numbers.NONE if value is None else f"{value / 1e9:.3g}"


def _share(seconds: float, whole: float) -> str:
    return f"{100 * seconds / whole:.1f} %" if whole else numbers.NONE


def _times(seconds: float, roof: float | None) -> str:
    return f"{seconds / roof:.2f}×" if roof else numbers.NONE
