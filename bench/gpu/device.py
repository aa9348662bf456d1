"""Where the GPU benchmarks run: on a card, or on the emulator of the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import halfstep
from halfstep.kernels.cuda.backend import using

ROOT = Path(halfstep.__file__).resolve().parent.parent


@contextmanager
def device(emulate: bool) -> Iterator[None]:
    """Run the GPU solvers inside the `with` on the emulator, or where `emulate` is False on the card."""
    if not emulate:
        yield
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from emulator import EmulatorBackend  # type: ignore[import-not-found]

    with using(EmulatorBackend()):
        yield
