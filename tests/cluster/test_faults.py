"""Workers killed, paused or full, the scheduler gone, Ctrl-C: the same bits or a message."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from cases.cluster import fits
from cases.cluster.fits import in_process, over, plays, same_bits
from cases.cluster.workers import ROOT, workers
from faults.soak import SHARE, tally, worst

from halfstep import distributed

pytestmark = pytest.mark.usefixtures("by_blocks")

SECTION, SAME = "Fits over workers", "ended with the bits of an undisturbed fit"
LONGEST = 60.0  # seconds, where a fit takes one or two
PHASES = ["rotating", "waiting", "solving", "writing", "answering"]


def broken(client, tmp_path, phase, step, what="kill", **settings):
    """Return the model of a fit in which one worker breaks, and the mark that it has."""
    mark = tmp_path / "broken"
    victim = min(client.scheduler_info()["workers"])
    client.run(fits.breaks, phase, str(mark), step, what, workers=[victim])
    model = over(client, plays(), tmp_path / "fit", patience=2.0, **settings)
    assert mark.exists()
    return model


@pytest.mark.parametrize(
    ("phase", "step"),
    [
        ("solving", 3),
        *(pytest.param(p, s, marks=pytest.mark.soak) for p in PHASES for s in (0, 1, 4, 7)),
    ],
)
def test_a_killed_worker_costs_no_bit(tmp_path, phase, step, caplog):
    with workers(2) as client, caplog.at_level(logging.WARNING, "halfstep"):
        begun = time.perf_counter()
        same_bits(broken(client, tmp_path, phase, step), in_process(plays()))
        assert f"going on from half-step {step}" in caplog.text
        tally(SECTION, f"a process killed while {phase}", SAME)
        seconds = time.perf_counter() - begun
        assert seconds < LONGEST
        worst(
            SECTION,
            "seconds of a fit with a kill, and of the same fit in one process",
            seconds,
            LONGEST,
        )


@pytest.mark.parametrize(
    ("phase", "step", "every"),
    [("waiting", 4, 1), *(pytest.param(p, 6, 2, marks=pytest.mark.soak) for p in PHASES)],
)
def test_without_a_replacement_the_survivor_takes_all(tmp_path, phase, step, every, caplog):
    with workers(2) as client, caplog.at_level(logging.WARNING, "halfstep"):
        # A nanny that has no process any more starts no other.
        settings = {"checkpoint_every": every, "replacement": 0.0, "shards": 4}
        model = broken(client, tmp_path, phase, step, **settings)
        assert "was lost in half-step" in caplog.text
        expected = over(client, plays(), tmp_path / "undisturbed", shards=4).to_model()
        np.testing.assert_array_equal(model.to_model().user_factors, expected.user_factors)
        tally(SECTION, f"a process killed while {phase}, no replacement", SAME)


@pytest.mark.soak
def test_a_paused_worker_is_left_behind_and_does_no_harm(tmp_path):
    with workers(3) as client:
        pids = client.run(os.getpid)
        victim = pids[min(pids)]
        waking = threading.Timer(15.0, os.kill, (victim, signal.SIGCONT))
        waking.start()
        try:
            same_bits(
                broken(client, tmp_path, "solving", 3, "stop", shards=2, iterations=4),
                in_process(plays()),
            )
        finally:
            waking.join()
        same_bits(over(client, plays(), tmp_path / "again", shards=2), in_process(plays()))
        tally(SECTION, "a process stopped (SIGSTOP), and awake 15 s later", SAME)


@pytest.mark.soak
@pytest.mark.parametrize("kills", [1, 2])
def test_random_kills_cost_no_bit(tmp_path, kills):
    """A second kill often comes while the fit recovers from the first, or hits the new process."""
    rng, expected = np.random.default_rng(kills), in_process(plays(), iterations=100)
    with workers(2) as client:
        for k in range(max(1, round(20 * SHARE))):
            client.wait_for_workers(2)
            nannies = list(client.cluster.workers.values())
            delays = np.cumsum([1.5, 4.0][:kills] * rng.random(kills))
            victims = rng.integers(2, size=kills)
            ended = threading.Event()
            killed = []

            def kill(delays=delays, victims=victims, nannies=nannies, ended=ended, killed=killed):
                begun = time.perf_counter()
                for delay, victim in zip(delays, victims, strict=True):
                    if ended.wait(max(0.0, begun + delay - time.perf_counter())):
                        return
                    if nannies[victim].pid:  # or its next process has not begun
                        os.kill(nannies[victim].pid, signal.SIGKILL)
                        killed.append(victim)

            killing = threading.Thread(target=kill)
            killing.start()
            try:
                model = over(client, plays(), tmp_path / str(k), iterations=100, patience=2.0)
            finally:
                ended.set()
                killing.join()
            same_bits(model, expected)
            moment = ("no process", "a process", "two processes")[len(killed)]
            tally(SECTION, f"{moment} killed (SIGKILL) at random moments", SAME)


def test_a_full_disk_does_not_end_a_fit(tmp_path, caplog):
    with workers(2) as client, caplog.at_level(logging.WARNING, "halfstep"):
        over(client, plays(), tmp_path, iterations=2)
        manifest = (tmp_path / "fit" / "manifest.json").read_bytes()
        client.run(fits.full_disk)
        model = over(client, plays(), tmp_path, iterations=4, resume=True)
        assert "no checkpoint of half-step 4: [Errno 28] No space left" in caplog.text
        assert (tmp_path / "fit" / "manifest.json").read_bytes() == manifest
        same_bits(model, in_process(plays()))
        tally(SECTION, "the disk full", SAME)


@pytest.mark.soak  # Dask takes half a minute to close a cluster whose scheduler is gone
def test_without_a_scheduler_another_cluster_goes_on(tmp_path):
    with workers(2) as client:

        def callback(iteration, seconds, loss):
            if iteration == 1:
                client.cluster.scheduler.stop()
                client.sync(client.cluster.scheduler.close)

        said = r"with resume=True .* after iteration 2 \(.*manifest.json\)"
        with pytest.raises(distributed.ClusterLost, match=said):
            over(client, plays(), tmp_path, callback=callback)
    with workers(2) as client:
        same_bits(over(client, plays(), tmp_path, resume=True), in_process(plays()))
        tally(SECTION, "the scheduler gone, another cluster goes on", SAME)


PROGRAM = """
import sys
from cases.cluster.fits import over, plays
def say(iteration, seconds, loss):
    print(iteration, flush=True)
if __name__ == "__main__":
    from halfstep.distributed.fitting.clusters import connected
    with connected(workers=2) as client:
        over(client, plays(), sys.argv[1], iterations=2000, callback=say)
"""


def test_ctrl_c_keeps_the_last_iteration(client, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "fit")],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if line.strip() == "5":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
            break
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt: fit interrupted after" in errors
    done = distributed.ShardedModel.load(tmp_path / "fit").iterations_
    assert 6 <= done < 2000
    model = over(client, plays(), tmp_path / "fit", iterations=done, resume=True)
    expected = over(client, plays(), tmp_path / "whole", iterations=done).to_model()
    np.testing.assert_array_equal(model.to_model().item_factors, expected.item_factors)
