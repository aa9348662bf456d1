"""An emulated device for a whole process, such as a worker of a cluster.

With the folder `tests` on its path, a worker of Dask gets one as `--preload emulator.worker`, or
`LocalCluster(preload="emulator.worker")`, before it takes anything on.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from emulator.recording import EmulatorBackend
from halfstep.kernels.cuda.backend import using

_installed = ExitStack()


def install(**settings: Any) -> EmulatorBackend:
    """Make the GPU solvers use an emulated device until the process ends; return it.

    A second call replaces the device. `settings` are those of `EmulatorBackend`.
    """
    _installed.close()
    backend = EmulatorBackend(**{"multiprocessors": 3, **settings})
    _installed.enter_context(using(backend))
    return backend


def dask_setup(worker: Any) -> None:
    """Install a device in a worker; called by Dask."""
    worker.emulator = install()
