"""What a fit is going to launch, compiled before its first iteration, several files at once."""

from __future__ import annotations

from typing import Protocol

from halfstep.kernels.cuda.backend import Backend
from halfstep.kernels.device.compiling import Variant, announced
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.gpu.device.side import Side


class Launching(Protocol):
    """The method of a GPU solver that says what it launches."""

    def _variants(self, backend: Backend, side: Side) -> set[Variant]: ...


def compile_ahead(
    model: Launching, backend: Backend, sides: tuple[Side, Side], monitor: Monitor
) -> None:
    """Compile the variants of both sides that are not compiled yet; the progress line says so.

    Parameters
    ----------
    sides
        Users and items, with or without their arrays.
    """
    wanted: set[Variant] = set()
    for side in sides:
        if side.lengths.any():
            wanted |= model._variants(backend, side)
    missing = backend.uncompiled(sorted(wanted))
    if missing:
        with monitor.advance.doing(announced(len(missing))):
            backend.compile(missing)
