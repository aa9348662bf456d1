"""What a GPU fit says when it fails: what did not fit and what to set, or how to go on elsewhere.

`kernels.device.failures` makes typed errors of CuPy's. What it does not know is added here: the memory
plan and the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from halfstep.errors import DeviceLost, DeviceOutOfMemory, NotEnoughMemory
from halfstep.kernels.cuda.backend import Backend
from halfstep.kernels.device.failures import of_others
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.gpu.device.memory import MemoryPlan

# Of the memory that was left to a fit which ran out of it, the share to try next.
_NEXT = 0.8


@contextmanager
def explaining(where: str | Monitor, plans: Sequence[MemoryPlan]) -> Iterator[None]:
    """Add to an error of the device raised inside what the fit planned and what can be done.

    Parameters
    ----------
    where
        What the fit does inside; or its monitor, which knows the iteration and the checkpoint. If the
        device is lost, the monitor's model loses the factors of the fit, which were there.
    plans
        Each device's memory plan.
    """
    monitor = where if isinstance(where, Monitor) else None
    place = where if monitor is None else ""
    try:
        yield
    except DeviceLost as error:
        if monitor is None:
            raise
        model: Any = monitor.model
        model.user_factors = model.item_factors = None
        raise DeviceLost(f"iteration {monitor.done}: {error}; {_how_to_go_on(monitor)}") from error
    except DeviceOutOfMemory as error:
        if monitor is not None:
            place = f"in iteration {monitor.done}"
        numbers = "; ".join(f"device {k}: {plan}" for k, plan in enumerate(plans))
        raise DeviceOutOfMemory(
            f"{error} ({place}); the plan was {numbers}; {_what_to_set(plans, error.available)}",
            error.available,
        ) from error


@contextmanager
def blaming_others(backend: Backend) -> Iterator[None]:
    """Add to a NotEnoughMemory raised inside what other processes hold of the device."""
    try:
        yield
    except NotEnoughMemory as error:
        raise NotEnoughMemory(f"{error}{of_others(backend.held_elsewhere())}") from None


def _what_to_set(plans: Sequence[MemoryPlan], available: int) -> str:
    """Return which arguments would make the fit smaller."""
    planned = min(plan.needed for plan in plans)
    limit = int(_NEXT * min(available or planned, planned))
    return (
        f"memory_limit={limit} or less leaves stored entries on the host and streams them, and fewer "
        "factors need less of everything"
    )


def _how_to_go_on(monitor: Monitor) -> str:
    """Return what is left of the fit, and how to go on from there."""
    keeper = monitor.checkpoints
    if keeper is None or keeper.path is None:
        return (
            "its factors are lost with the device; in a new process, fit(..., checkpoint=FILE) keeps "
            "them as it goes"
        )
    if not keeper.path.exists():
        return f"no iteration had been written to checkpoint '{keeper.path}': fit in a new process"
    return (
        f"checkpoint '{keeper.path}' is kept: in a new process, fit(..., checkpoint='{keeper.path}', "
        "resume=True) goes on from its last iteration"
    )
