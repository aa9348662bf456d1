"""The computed sections of docs/scale.md: the plan on paper, by machines and by GPUs.

Run as `python -m halfstep.distributed.planning.page docs/scale.md`. What stands between
`<!-- NAME:begin -->` and `<!-- NAME:end -->` is written anew for each of `SECTIONS`; the rest stays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from halfstep.distributed.planning.figures import Machines, Work
from halfstep.distributed.planning.gpus import Nodes, gpu_plan
from halfstep.distributed.planning.paper import FILED, plan
from halfstep.errors import InputError
from halfstep.marked_sections import rewrite_sections

WORK = Work(users=10**9, items=10**8, entries=10**11, factors=128)
COUNTS = (25, 50, 100, 200, 400)
NODES = (4, 8, 16, 32)
_FAST = 100e9 / 8


def time(seconds: float) -> str:
    """Return a time as text, with two digits."""
    for size, unit, limit in ((1, "s", 120), (60, "min", 7200), (3600, "h", 48 * 3600)):
        if seconds < limit:
            return f"{_two(seconds / size)} {unit}"
    return f"{_two(seconds / 86400)} days"


def size(count: float) -> str:
    """Return bytes as text."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{_two(count / factor)} {unit}"
    return f"{count:.0f} bytes"


def _two(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.2g}"


def _table(headings: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    columns = list(headings)
    rows = [columns, ["---:"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machines() -> str:
    """Return the table by number of machines."""
    lines = []
    for count in COUNTS:
        own = plan(WORK, Machines(count))
        received = own.bytes_per_iteration / count
        faster = plan(WORK, Machines(count, network=_FAST, process=_FAST))
        sides = own.sides
        row = [
            f"{count}",
            f"{sides['item'].share:.2f}, {sides['user'].share:.2f}",
            size(plan(WORK, Machines(count), groups=1).memory_bytes),
        ]
        if own.fits:
            row += [
                f"{own.groups}",
                size(own.memory_bytes),
                size(received),
                time(own.seconds["network"]),
                time(own.seconds["solve, cores"] + own.seconds["solve, memory"]),
                time(own.iteration_seconds),
                time(faster.iteration_seconds),
            ]
        else:
            row += ["do not fit", *["–"] * 6]
        lines.append(row)
    headings = (
        *("machines", "needed share of users, items", "memory, one group", "groups", "memory"),
        *("received", "network", "solve", "**an iteration**", "at 100 Gb/s"),
    )
    return _table(headings, lines)


def before() -> str:
    """Return the table of what is done once, or after each iteration, by number of machines."""
    lines = []
    for count in COUNTS:
        own = plan(WORK, Machines(count))
        lines.append(
            [
                f"{count}",
                size(own.numbering["bytes"]),
                time(own.numbering["seconds"]),
                size(own.list_bytes) if own.fits else "–",
                size(own.checkpoint_bytes),
                size(own.driver_bytes),
                time(own.recommend_seconds),
            ]
        )
    headings = (
        *(
            "machines",
            "numbering, by the folder",
            "numbering",
            "lists, sent",
            "a checkpoint, written",
        ),
        *("the driver, an iteration", "all scores of all users"),
    )
    return _table(headings, lines)


def gpus() -> str:
    """Return the table by number of nodes with GPUs."""
    lines = []
    for count in NODES:
        nodes = Nodes(count)
        own = gpu_plan(WORK, nodes)
        times = f"{time(own.best)} to {time(own.slow)}" if own.fits else "does not fit"
        row = [f"{count} x {nodes.gpus}", size(own.memory_bytes), size(own.node_bytes)]
        lines.append([*row, time(own.seconds["network"]), times])
    headings = (
        "nodes x GPUs",
        "memory of a GPU",
        "received by a node",
        "network",
        "**an iteration**",
    )
    return _table(headings, lines)


def assumed() -> str:
    """Return in words what the tables assume."""
    m, n, w = Machines(1), Nodes(1), WORK
    entry = m.entry_seconds * w.factors
    return "\n".join(
        [
            f"* {w.users:,} users, {w.items:,} items, {w.entries:,} entries, f = {w.factors}; the rows' "
            f"numbers of entries are log-normal, with sigma {w.user_sigma} for users and "
            f"{w.item_sigma} for items.",
            f"* A row travels as bfloat16, {w.row_bytes} bytes. A machine has one worker, {m.cores} "
            f"cores, {size(m.memory)} of memory, of which nine tenths are used, "
            f"{size(m.bandwidth)}/s from memory, and {m.network * 8 / 1e9:.0f} Gb/s of network, of "
            f"which one process takes {size(m.process)}/s.",
            f"* An entry takes {1e9 * entry:.0f} ns of a core in each half-step, and its row is read "
            f"{m.passes:.0f} times from memory; products of float32 matrices run at "
            f"{m.flops / 1e9:.0f} GFLOP/s a core. Nothing overlaps.",
            f"* A GPU has {size(n.memory)}, of which nine tenths are used, {size(n.link)}/s to the "
            f"others of its node, and a node {n.network * 8 / 1e9:,.0f} Gb/s. The fast time "
            "reads each entry's row once at full speed; "
            f"the slow one three times, at {100 * n.efficiency:.0f} % of it.",
            f"* Numbering writes {FILED} bytes for each row of the table to the folder and reads them "
            f"again, as fast as the network is, and takes {1e6 * m.numbering_seconds:.2f} us of a core, "
            "half of it in rounds that keep two cores of a machine busy.",
        ]
    )


SECTIONS: dict[str, Callable[[], str]] = {
    "plan": machines,
    "once": before,
    "gpus": gpus,
    "assumed": assumed,
}


def rewrite(page: str | Path) -> None:
    """Write the sections of a page anew; see `halfstep.marked_sections`."""
    rewrite_sections(page, SECTIONS)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m halfstep.distributed.planning.page PAGE.md")
    try:
        rewrite(sys.argv[1])
    except InputError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
