"""Clusters of worker processes on this machine."""

import logging
import os
import warnings
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def workers(count, memory="2GiB"):
    """Yield a client of a new cluster of worker processes with one thread each."""
    import dask
    from distributed import Client, LocalCluster

    from halfstep.distributed.fitting.clusters import MEMORY, OTHERS, quiet

    quiet()
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    settings = {**MEMORY, **OTHERS, "distributed.worker.profile.enabled": False}
    with (
        warnings.catch_warnings(),
        dask.config.set(settings),
    ):
        warnings.simplefilter("ignore")  # of the libraries that start processes and sockets
        with (
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=memory,
                silence_logs=logging.CRITICAL,
                env={"PYTHONPATH": path.rstrip(os.pathsep), "OMP_NUM_THREADS": "1"},
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
