"""The cluster of a fit: the caller's, or one on this machine for as long as the fit takes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from halfstep.errors import InputError, SolverUnavailable
from halfstep.interruption import put_off
from halfstep.kernels.cpu.threads import cores

log = logging.getLogger("halfstep")

# The state of a fit is no data of Dask's: at 60 to 80 % of the memory it must neither spill nor pause.
MEMORY = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
}
# A machine that is gone without a word; and a worker whose process begins anew, which a cluster would
# drop for good if it is not there again 15 seconds after this or an earlier loss.
OTHERS = {
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.deploy.lost-worker-timeout": "1h",
}


def quiet() -> None:
    """Leave the log of Dask's own doings to errors: it writes a line for each connection."""
    for name in ("distributed", "tornado", "bokeh"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def check_installed() -> None:
    """Raise SolverUnavailable if Dask is missing."""
    try:
        import distributed  # noqa: F401
        import fsspec  # noqa: F401
    except ImportError as error:
        raise SolverUnavailable(
            f"a fit over workers needs Dask ({error.name} is missing): pip install 'halfstep[dask]'"
        ) from None


@contextmanager
def connected(client: Any = None, workers: int | None = None) -> Iterator[Any]:
    """Yield the client to use: the given one, or that of a new cluster of processes on this machine.

    The new cluster listens on 127.0.0.1 alone, and its workers share out the cores.
    """
    check_installed()
    import dask
    from distributed import Client, LocalCluster

    if client is None:
        quiet()
    if client is not None:
        if not isinstance(client, Client):
            raise InputError(f"client must be a distributed.Client, got {type(client).__name__}")
        if client.asynchronous:
            raise InputError("client must not be asynchronous: fit waits for each half-step")
        if client.status != "running":
            raise InputError(f"client must be connected to a cluster, it is {client.status}")
        yield client
        return
    count = cores(0)
    workers = min(2, count) if workers is None else workers
    threads = max(1, count // workers)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set({**MEMORY, **OTHERS}))
        with put_off():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=threads,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit="auto",
                silence_logs=logging.CRITICAL,  # errors of tasks are raised here
                env={"OMP_NUM_THREADS": "1", **_path()},
            )
            stack.enter_context(cluster)
            own = stack.enter_context(Client(cluster))
        log.info("%d workers of %d threads, dashboard %s", workers, threads, cluster.dashboard_link)
        yield own


def _path() -> dict[str, str]:
    """Return where Python looks for modules here: workers begin without what this process added."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
