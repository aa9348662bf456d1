"""What the workers' answers say together: a half-step's report, or the error that ends the fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from halfstep.distributed.fitting.orders import Job, Trouble
from halfstep.distributed.ids import ids_at
from halfstep.errors import NotFinite
from halfstep.solvers.fit.stopping import HalfStepReport
from halfstep.solvers.shared import SideFacts


def error_of(trouble: Trouble, job: Job, iteration: int) -> NotFinite:
    """Return the error to raise: it names side, row, original id and shard."""
    where = f"of row {trouble.row}" if trouble.row is not None else "of a row"
    named = ""
    if trouble.row is not None:
        ids = ids_at(job.folder, job.facts, trouble.side, np.array([trouble.row]))
        named = f" ({trouble.side} id {ids[0].as_py()!r}, shard {trouble.shard})"
    reason = trouble.reason or "not finite"
    said = f"the {trouble.side} factors {where}{named}: {reason}"
    return NotFinite(said, trouble.row, iteration, trouble.side)


def added(reports: list[HalfStepReport]) -> HalfStepReport:
    """Return the report of a half-step, from those of the shards in their order."""
    return HalfStepReport(
        rows=sum(r.rows for r in reports),
        stepped=sum(r.stepped for r in reports),
        steps=sum(r.steps for r in reports),
        most_steps=max(r.most_steps for r in reports),
        unsolved=sum(r.unsolved for r in reports),
        gained=sum(r.gained for r in reports),
        left=sum(r.left for r in reports),
        completed=sum(r.completed for r in reports),
    )


def facts_of(found: Mapping[tuple[str, int], Any], side: str) -> SideFacts:
    """Return the facts about a side from those of its shards."""
    return SideFacts.together(value[0] for key, value in found.items() if key[0] == side)
