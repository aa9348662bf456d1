"""The words of a progress line: numbers, the time that is left, sizes."""

import pytest

from halfstep import progress_task
from halfstep.progress_task import Task, duration, size


def test_the_forecast_leaves_out_what_is_done_once(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress_task.time, "monotonic", lambda: now[0])
    task = Task("fit", 10, "iterations")
    assert task.line() == "fit: 0 of 10 iterations"
    task.update(description="fit: compiling")
    now[0] += 30
    assert task.line() == "fit: compiling: 30 s so far"
    task.update(description="fit")
    for _ in range(2):
        now[0] += 5
        task.update(advance=1)
    assert task.line() == "fit: 2 of 10 iterations, about 40 s left"
    now[0] += 15
    assert task.line() == "fit: 2 of 10 iterations, about 25 s left"
    now[0] += 1000
    assert task.line() == "fit: 2 of 10 iterations, about 1 s left"
    task.update(advance=8)
    assert task.line().startswith("fit: 10 of 10 iterations, 18 min so far")


def test_a_download_that_goes_on_forecasts_by_what_it_got(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_task.time, "monotonic", lambda: now[0])
    task = Task("archive", 100_000_000, "bytes", done=90_000_000)
    now[0] += 10
    task.update(advance=2_000_000)
    assert task.line() == "archive: 92 MB of 100 MB, about 40 s left"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.6, "1 s"), (99, "99 s"), (150, "2 min"), (3590, "1 h"), (4800, "1 h 20 min")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (999_900, "1.0 MB"), (1.25e9, "1.2 GB"),
     (9.99e12, "9,990 GB")],
)  # fmt: skip
def test_sizes(count, said):
    assert size(count) == said
