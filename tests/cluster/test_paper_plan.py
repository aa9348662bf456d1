"""The plan on paper: against counted plans, what it grows with, and the page that shows it."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import sparse

from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.planning import page
from halfstep.distributed.planning.counted import plan_of
from halfstep.distributed.planning.figures import ENTRY_SECONDS, Machines, Work
from halfstep.distributed.planning.gpus import Nodes, gpu_plan
from halfstep.distributed.planning.paper import plan
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
WORK = page.WORK


@pytest.mark.parametrize("workers", [2, 5, 12])
@pytest.mark.parametrize("groups", [1, 3])
def test_bytes_on_paper_are_near_the_counted_ones(workers, groups, tmp_path):
    users, items, density = 3000, 2000, 0.004
    matrix = sparse.random(users, items, density, "csr", random_state=0)
    folder = Folder(tmp_path)
    blocks_of(matrix, workers, folder)
    # Entries at random: the degrees are Poisson's, whose spread is about that of sigma.
    work = Work(users, items, matrix.nnz, 64, user_sigma=8**-0.5, item_sigma=12**-0.5)
    paper = plan(work, Machines(workers), groups)
    counted = plan_of(folder, dict.fromkeys(("user", "item"), work.row_bytes), groups=groups)
    assert paper.bytes_per_iteration == pytest.approx(counted.bytes_per_iteration, rel=0.06)
    for side, half in paper.sides.items():
        assert half.share == pytest.approx(counted.share(side), abs=0.03) or groups > 1
        gathered = max(one.gathered for (s, _), one in counted.received.items() if s == side)
        assert half.gathered == pytest.approx(gathered, rel=0.06)


def test_one_machine_exchanges_nothing():
    alone = plan(Work(1000, 500, 9000), Machines(1))
    assert alone.bytes_per_iteration == 0
    assert alone.memory["rows on their way"] == 0


def test_more_machines_take_less_memory_and_time_each():
    plans = [plan(WORK, Machines(count), groups=1) for count in page.COUNTS]
    for what in ("memory_bytes", "iteration_seconds"):
        values = [getattr(one, what) for one in plans]
        assert values == sorted(values, reverse=True)
    assert [one.driver_bytes for one in plans] == sorted(one.driver_bytes for one in plans)


def test_groups_are_the_fewest_that_fit():
    machines = Machines(100)
    found = plan(WORK, machines)
    assert found.groups > 1
    assert found.memory_bytes <= 0.9 * machines.memory
    fewer = plan(WORK, machines, found.groups - 1)
    assert not fewer.fits
    assert fewer.bytes_per_iteration < found.bytes_per_iteration
    assert not plan(WORK, replace(machines, memory=1e9)).fits


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"network": 1e8}, "network"),
        ({"process": 1e8}, "network"),
        ({"cores": 8}, "solve, cores"),
        ({"entry_seconds": 1e-8}, "solve, cores"),
        ({"bandwidth": 1e10}, "solve, memory"),
        ({"passes": 9.0}, "solve, memory"),
        ({"flops": 1e9}, "rotations and Gramians"),
        ({"round_seconds": 1.0}, "driver"),
    ],
)
def test_every_figure_of_a_machine_counts(change, part):
    usual, other = (plan(WORK, m, 1) for m in (Machines(100), Machines(100, **change)))
    assert other.seconds[part] > 1.5 * usual.seconds[part]


def test_float64_and_exact_rows_are_larger():
    received = [
        plan(replace(WORK, **how), Machines(100), 1).bytes_per_iteration
        for how in ({}, {"packed": False}, {"packed": False, "dtype": "float64"})
    ]
    assert received == [received[0], 2 * received[0], 4 * received[0]]


def test_more_nodes_take_less_memory_of_a_gpu():
    plans = [gpu_plan(WORK, Nodes(count)) for count in page.NODES]
    memory = [one.memory_bytes for one in plans]
    assert memory == sorted(memory, reverse=True)
    assert all(one.best < one.slow for one in plans)
    assert [one.fits for one in plans] == [one.memory_bytes <= 0.9 * 80e9 for one in plans]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Work(0, 1, 1), "users must be at least 1, got 0"),
        (lambda: Work(10, 10, 101), "entries must be at most users x items, 100, got 101"),
        (
            lambda: Work(9, 9, 9, item_sigma=float("nan")),
            "item_sigma must be from 0 to 10, got nan",
        ),
        (lambda: Machines(0), "workers must be at least 1, got 0"),
        (lambda: Machines(2, memory=float("nan")), "memory must be positive, got nan"),
        (lambda: Nodes(0), "nodes must be positive, got 0"),
    ],
)
def test_impossible_figures_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_seconds_of_an_entry_are_the_measured_ones():
    text = (ROOT / "bench" / "results" / "xeon-2-cores-threads.json").read_text()
    results = json.loads(text)
    (cell,) = (
        cell for cell in results["phases"]
        if results["data"][cell["data"]]["name"] == "music-medium"
        and (cell["factors"], cell["threads"]) == (128, 2)
    )  # fmt: skip
    seconds = statistics.median(cell["seconds"]) * cell["threads"]
    entries = results["data"][cell["data"]]["entries"]
    assert pytest.approx(seconds / (2 * entries * 128), rel=0.05) == ENTRY_SECONDS


def test_the_page_has_what_the_command_writes(tmp_path):
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    copy = tmp_path / "scale.md"
    copy.write_text(text, encoding="utf-8")
    page.rewrite(copy)
    assert copy.read_text(encoding="utf-8") == text, "make table changes docs/scale.md"
    copy.write_text(text.replace("<!-- gpus:end -->", ""), encoding="utf-8")
    with pytest.raises(InputError, match="must hold <!-- gpus:begin -->"):
        page.rewrite(copy)
