"""What `halfstep cluster plan` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfstep.cli.show import table
from halfstep.distributed.planning.page import size, time
from halfstep.plural import counted as numbered

if TYPE_CHECKING:
    from rich.console import Console

    from halfstep.distributed.planning.counted import CountedPlan
    from halfstep.distributed.planning.paper import Plan


def paper(console: Console, plan: Plan) -> None:
    """Print a plan on paper."""
    work, machines = plan.work, plan.machines
    console.print(
        f"{work.users:,} users × {work.items:,} items, {work.entries:,} entries, f = {work.factors}, "
        f"on {numbered(machines.workers, 'machines')}",
        highlight=False,
    )
    if not plan.fits:
        console.print(
            f"does not fit {size(machines.memory)} of memory a machine: take more machines, or machines "
            "with more memory",
            highlight=False,
        )
    memory = table("Memory of a machine", "what", "size", right=("size",))
    for what, value in plan.memory.items():
        memory.add_row(what, size(value))
    memory.add_row("all", size(plan.memory_bytes))
    console.print(memory)
    rows = table("Rows that come to a machine in an iteration",
                 "solved", "needed", "how", "received", right=("needed", "received"))  # fmt: skip
    for side, half in plan.sides.items():
        how = "whole slices" if half.whole else "picked rows"
        rows.add_row(f"{side}s", f"{half.share:.3f}", how, size(half.received))
    console.print(rows)
    seconds = table("An iteration", "what", "time", right=("time",))
    for what, value in plan.seconds.items():
        seconds.add_row(what, time(value))
    seconds.add_row("all", time(plan.iteration_seconds))
    console.print(seconds)
    rest = table("Besides", "what", "size", "time", right=("size", "time"))
    rest.add_row("numbering, a machine to and from the folder", size(plan.numbering["bytes"]),
                 time(plan.numbering["seconds"]))  # fmt: skip
    rest.add_row("lists of needed rows, sent by a machine", size(plan.list_bytes), "")
    rest.add_row("a checkpoint, written by a machine", size(plan.checkpoint_bytes), "")
    rest.add_row("to and from the driver, an iteration", size(plan.driver_bytes), "")
    rest.add_row("all scores of all users", "", time(plan.recommend_seconds))
    console.print(rest)
    console.print(f"groups: {plan.groups}", highlight=False)


def counted(console: Console, plan: CountedPlan, paper_plan: Plan) -> None:
    """Print what the workers of a fit exchange, counted, beside the expected share."""
    rows = table("Rows that come to a worker in an iteration", "solved", "worker", "rows", "needed",
                 "slices", "lists", "received",
                 right=("rows", "needed", "slices", "lists", "received"))  # fmt: skip
    for (side, worker), one in plan.received.items():
        rows.add_row(f"{side}s", worker, f"{one.rows:,}", f"{one.needed:,}", f"{one.slices}",
                     f"{one.lists}", size(plan.bytes_of(side, worker)))  # fmt: skip
    console.print(rows)
    for side, half in paper_plan.sides.items():
        console.print(
            f"needed to solve {side}s: {plan.share(side):.3f} of the others' rows; "
            f"{half.share:.3f} expected",
            highlight=False,
        )
    console.print(f"all bytes of an iteration: {plan.bytes_per_iteration:,}", highlight=False)
