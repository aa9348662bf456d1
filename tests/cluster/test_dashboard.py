"""What Dask's task stream has of a fit: each worker's phases, when they were, and nothing else of it."""

import asyncio
import logging
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from cases.cluster.fits import over, plays

from halfstep.distributed.watching import task_stream
from halfstep.distributed.watching.phases import Phase, Phases, told

pytestmark = pytest.mark.usefixtures("by_blocks")

FEW = {"factors": 7, "iterations": 3}
HALF_STEP = {"rotate", "gather", "solve", "gramian", "save"}
CLOCKS = 0.5  # seconds by which Dask may mistake the difference of two clocks on a busy machine


def on_scheduler(client):
    """Return the names of plugins and of handlers of fits on the scheduler."""

    def names(dask_scheduler):
        both = (*dask_scheduler.plugins, *dask_scheduler.handlers)
        return [name for name in both if str(name).startswith("halfstep")]

    return client.run_on_scheduler(names)


@pytest.fixture
def fitted(client, tmp_path):
    """Return what the task stream has of a fit, phases by worker and thread; and its begin and end."""
    before = len(client.get_task_stream())
    begun = time.time()
    over(client, plays(entries=5000), tmp_path, calculate_training_loss=True, **FEW)
    ended = time.time()
    found = {}
    for entry in client.get_task_stream()[before:]:
        [times] = entry["startstops"]
        what = entry["metadata"]
        phase = Phase(what["phase"], what["of"], what["step"], times["start"], times["stop"])
        found.setdefault((entry["worker"], entry["thread"]), []).append(phase)
    return found, begun, ended


def test_each_worker_shows_the_phases_of_each_half_step(client, fitted):
    found, begun, ended = fitted
    assert {worker for worker, _ in found} == set(client.scheduler_info()["workers"])
    assert len(found) == 2  # one thread of each
    for phases in found.values():
        for before, after in pairwise(sorted(phases, key=lambda phase: phase.start)):
            assert before.stop <= after.start
        assert all(phase.start <= phase.stop for phase in phases)
        assert min(phase.start for phase in phases) > begun - CLOCKS
        assert max(phase.stop for phase in phases) < ended + CLOCKS
        for step in range(6):
            of = ("users", "items")[step % 2]
            mine = [phase for phase in phases if (phase.of, phase.step) == (of, step)]
            assert {phase.name for phase in mine} == HALF_STEP
            covered = sum(phase.stop - phase.start for phase in mine)
            whole = max(phase.stop for phase in mine) - min(phase.start for phase in mine)
            assert covered > 0.9 * whole
        others = {phase.name for phase in phases if phase.of not in ("users", "items")}
        assert others == {"open", "gather", "sum", "gramian", "model"}
        assert {phase.step for phase in phases if phase.of == "loss"} == {1, 3, 5}


def test_nothing_is_left_on_the_scheduler(client, tmp_path):
    seen = []
    over(
        client,
        plays(entries=5000),
        tmp_path,
        callback=lambda *_: seen.append(on_scheduler(client)),
        **FEW,
    )
    assert [len(names) for names in seen] == [3, 3, 3]  # a plugin and its two handlers
    assert on_scheduler(client) == []


def test_a_client_that_goes_takes_the_plugin_with_it():
    scheduler = SimpleNamespace(handlers={}, plugins={})
    plugin = task_stream.TaskStream("halfstep-1-phases", "mine")
    asyncio.run(plugin.start(scheduler))
    plugin.remove_client(scheduler, "another")
    assert scheduler.handlers
    plugin.remove_client(scheduler, "mine")
    assert not scheduler.handlers


def no_buffer(dask_scheduler):
    """Let the scheduler's task stream be one without a buffer."""
    from distributed import SchedulerPlugin

    dask_scheduler.plugins["task-stream"] = SchedulerPlugin()


def forget(dask_scheduler):
    """Let the scheduler have no task stream, as if nobody had looked."""
    dask_scheduler.plugins.pop("task-stream", None)


def test_a_dask_without_the_buffer_is_said_once(client, tmp_path, caplog):
    client.run_on_scheduler(no_buffer)
    try:
        with caplog.at_level(logging.DEBUG, "halfstep"):
            model = over(client, plays(entries=5000), tmp_path, **FEW)
    finally:
        client.run_on_scheduler(forget)
    assert model.iterations_ == 3
    said = [record for record in caplog.records if "Dask's dashboard" in record.message]
    assert [record.levelname for record in said] == ["DEBUG"]
    assert "no attribute 'buffer'" in said[0].message
    assert on_scheduler(client) == []


def test_a_scheduler_with_another_halfstep_gets_no_plugin(client, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("halfstep.distributed.watching.dashboard.__version__", "0.0.0")
    with caplog.at_level(logging.DEBUG, "halfstep"):
        assert over(client, plays(entries=5000), tmp_path, **FEW).iterations_ == 3
    assert "shows no phases: the scheduler has halfstep" in caplog.text


def test_where_nobody_looks_nothing_is_kept(client, tmp_path):
    client.run_on_scheduler(forget)
    over(client, plays(entries=5000), tmp_path, **FEW)
    assert client.get_task_stream() == ()


def test_times_are_the_schedulers():
    phases = Phases(1000.0)
    begun = time.time()
    phases.begin("users", 4)
    phases.lap("solve")
    phases.lap("solve")  # of the next shard: the same phase goes on
    phases.begin("users", 6)
    phases.lap("solve")
    first, second = phases.take()
    assert first[:3] == ("solve", "users", 4)
    assert begun + 999 < first.start <= first.stop <= second.start < time.time() + 1001
    assert phases.take() == []


def test_what_was_given_up_is_told_later():
    def half_step():
        home.phases.lap("rotate")
        raise OSError

    home = SimpleNamespace(
        phases=Phases(0.0),
        half_step=half_step,
        open=lambda: "opened",
        exchange=SimpleNamespace(attempt=1),
    )
    with pytest.raises(OSError):
        told(home, "half_step")
    answer = told(home, "open")
    assert answer.found == "opened"
    assert [phase.name for phase in answer.phases] == ["rotate", "abandoned", "recover"]


def test_a_phase_has_one_colour_and_its_name_in_dask():
    from dask.utils import key_split
    from distributed.diagnostics.task_stream import rectangles
    from distributed.utils import palette

    looks = task_stream.PHASES
    names = [name for name in looks if looks[name].action == "compute"]
    drawn = {}
    for name in names:
        steps = [(of, step) for step in range(40) for of in ("users", "items")]
        entries = [
            task_stream.entry_of(("tcp://1", 1, name, of, step, 1.0, 2.0)) for of, step in steps
        ]
        seen = rectangles(entries)
        [drawn[name]] = set(seen["color"])
        assert seen["name"] == [key_split(entry["key"]) for entry in entries]
        assert " ".join(seen["name"][7].split()) == f"halfstep {name} items 2"
    assert drawn == {name: palette[looks[name].color] for name in names}
    assert len(set(drawn.values())) == len(names)
