"""A cluster of two worker processes, which all tests here share."""

import logging
import os
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def workers(count, memory="2GiB"):
    """Yield a client of a new cluster of worker processes with one thread each."""
    import dask
    from distributed import Client, LocalCluster

    from halfstep.distributed.fitting.clusters import MEMORY

    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    with (
        dask.config.set({**MEMORY, "distributed.worker.profile.enabled": False}),
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


@pytest.fixture(scope="session")
def client():
    """A client of two workers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that start processes and sockets
        with workers(2) as found:
            yield found


@pytest.fixture
def tables(tmp_path):
    """Return a function that writes a frame in files of Parquet, and returns their folder."""

    def write(frame, files=5, name="table", order=None):
        folder = tmp_path / name
        folder.mkdir()
        rows = frame if order is None else frame.iloc[order]
        for k in range(files):
            rows[k::files].to_parquet(folder / f"{k:03d}.parquet", index=False)
        return str(folder)

    return write
