"""A cluster of two worker processes, which all tests here share."""

import warnings

import pytest
from cases.cluster.workers import workers


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
