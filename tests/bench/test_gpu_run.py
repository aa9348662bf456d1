"""The run on a card: its processes, and on the emulator those of its parts that need no card."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cases.processes import path_env
from emulator import EmulatorBackend, build

from halfstep.bench.gpu import compile_ahead, plan, run, smoke
from halfstep.bench.gpu.parts import PARTS
from halfstep.bench.gpu.process import Place, Stage
from halfstep.bench.gpu.shapes import Shape, generate
from halfstep.bench.gpu.timeline import ITERATIONS, timeline
from halfstep.kernels.cuda.backend import unavailable, using
from halfstep.solvers import SOLVERS

emulated = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
linux = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
# Starts a child that would outlive it, writes the child's number, and hangs.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1] + ".new", "w").write(str(child.pid))
import os
os.replace(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""
# A stage of one part that hangs.
HANGING = f"""
import sys
from pathlib import Path
from halfstep.bench.gpu import run
from halfstep.bench.gpu.process import Place
def plan(stage, of):
    process = stage.spawn([sys.executable, "-c", {PARENT!r}, sys.argv[1]])
    stage.wait(100, "hangs", process)
place = Place(Path(sys.argv[2]), Path(sys.argv[2]), emulate=True)
sys.exit(run.run_stage(place, "hanging", plan, 100))
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "out", tmp_path / "data", emulate=True)


def records(place):
    return [json.loads(line) for line in (place.out / "results.jsonl").read_text().splitlines()]


def runs(process):
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(holds, seconds=20):
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    assert holds()


def test_without_a_card_it_says_in_a_line_why(capsys):
    if unavailable() is None:
        pytest.skip("there is a card")
    for arguments in (["first"], ["second"], ["one", "ceilings"]):
        assert run.main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("cannot run here: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["one"], ["one", "nothing"], ["first", "data"], []])
def test_what_is_no_part_is_refused(arguments):
    with pytest.raises(SystemExit) as refused:
        run.main(arguments)
    assert refused.value.code == 2


@linux
def test_a_part_that_hangs_is_killed_with_what_it_started(place, tmp_path):
    stage = Stage(place, seconds=60)
    number = tmp_path / "child"
    process = stage.spawn([sys.executable, "-c", PARENT, str(number)])
    wait_until(number.exists)
    assert stage.wait(0.1, "hangs", process) is None
    assert not runs(process.pid)
    wait_until(lambda: not runs(int(number.read_text())))
    assert stage.wait(30, "well", stage.spawn([sys.executable, "-c", "print('said')"])) == 0
    assert stage.wait(30, "ill", stage.spawn([sys.executable, "-c", "import nothing_such"])) == 1
    assert stage.wait(30, "none", stage.spawn([str(tmp_path / "no-such-program")])) is None
    stage.end()
    hangs, well, ill, none, done = records(place)
    assert (hangs["name"], hangs["code"], hangs["timed_out"]) == ("hangs", None, True)
    assert (well["code"], well["timed_out"], ill["code"]) == (0, False, 1)
    assert (none["part"], done["part"]) == ("not_started", "done")
    assert done["failed"] == ["hangs", "ill", "none"]
    log = (place.out / "log.txt").read_text()
    assert "said\n" in log
    assert "nothing_such" in log


@linux
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_stage_with_all_its_processes(place, tmp_path, by):
    number = tmp_path / "child"
    command = [sys.executable, "-c", HANGING, str(number), str(place.out)]
    stage = subprocess.Popen(command, env=path_env(), start_new_session=True)
    wait_until(number.exists, 60)
    stage.send_signal(by)
    assert stage.wait(20) == 130
    wait_until(lambda: not runs(int(number.read_text())))
    assert records(place)[-1]["failed"] == ["interrupted"]


def test_a_torn_line_spoils_no_other(place):
    place.record("one", value=1)
    with (place.out / "results.jsonl").open("ab") as file:
        file.write(b'{"part": "two", "val')
    place.record("three", value=3)
    lines = (place.out / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["part"] for line in (lines[0], lines[2])] == ["one", "three"]
    assert lines[1] == '{"part": "two", "val'


def test_a_full_disk_stops_nothing(place, monkeypatch, capsys):
    write = os.write

    def full(file, content):
        if b"lost" in content:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, content)

    monkeypatch.setattr(os, "write", full)
    place.record("lost")
    assert "No space left on device" in capsys.readouterr().err
    place.record("kept")
    assert [line["part"] for line in records(place)] == ["kept"]


def test_what_does_not_fit_in_is_left_out(place):
    stage = Stage(place, seconds=4, for_card={"ceilings": "no speeds"})
    assert stage.run(30, "ceilings") is None
    assert stage.run(30, "smoke", "gpu_cholesky") is None
    reasons = [(line["name"], line["reason"]) for line in records(place)]
    assert reasons == [("ceilings", "no speeds"), ("smoke gpu_cholesky", "out of time")]


@emulated
def test_a_part_that_fails_records_why(place):
    folders = ["--out", str(place.out), "--data", str(place.data)]
    command = ["--emulate", *folders, "one", "fit", "tiny", "8", "gpu_cholesky"]
    assert run.main(command) == 1
    (line,) = records(place)
    assert line["part"] == "fit"
    assert "FileNotFoundError" in line["error"]


@emulated
def test_only_a_rung_that_is_right_passes(place, monkeypatch):
    with using(EmulatorBackend()):
        assert PARTS["smoke"](place, "gpu_cholesky") == 0
        right = smoke.relative_residuals
        monkeypatch.setattr(smoke, "relative_residuals", lambda problem, X: np.array([0, np.nan]))
        assert PARTS["smoke"](place, "gpu_cholesky") == 1
        monkeypatch.setattr(smoke, "relative_residuals", right)
        monkeypatch.setattr(smoke, "RAW_STEPS", 2)
        assert PARTS["smoke"](place, "gpu_cg_3_warps") == 1
    well, wrong, few = records(place)
    assert 0 < well["residuals"]["8"] < 1e-5
    assert 0 < well["missed_on_raw_counts"]["8"] < 1e-9
    assert (well["right"], wrong["right"], wrong["residuals"]["8"]) == (True, False, None)
    assert few["residuals"]["8"] < few["tolerance"]
    assert few["missed_on_raw_counts"]["8"] > few["may_miss"]


def test_a_rung_that_rounds_has_the_margin_of_its_rounding():
    assert smoke.tolerance("gpu_cg_7_half") > smoke.tolerance("gpu_cg_6_split")
    assert plan.rounds("implicit_gpu:storage=float16")
    assert not plan.rounds("implicit_gpu")


@emulated
def test_all_that_fits_launch_is_compiled_ahead():
    matrix = generate(Shape("some", 60, 90, 900))
    backend = EmulatorBackend()
    with using(backend):
        for name in plan.gpu_rungs():
            for confidence in ("log", "linear"):
                settings = {"confidence": confidence, "regularization": 20.0, "random_state": 0}
                solver = SOLVERS[name](
                    factors=33, iterations=1, calculate_training_loss=True, **settings
                )
                solver.fit(matrix, show_progress=False)
        solver.recommend(np.arange(60), matrix, N=10)
    launched = {(launch.file, launch.defines) for launch in backend.launches}
    assert launched <= set(compile_ahead.variants((33,), backend))


@emulated
def test_a_timeline_names_every_launch_of_an_iteration():
    backend = EmulatorBackend()
    with using(backend):
        seconds, spent = timeline(generate(Shape("some", 60, 90, 900)), 8, "gpu_cg_1_naive")
    assert len(seconds) == ITERATIONS
    assert spent["cg_1_naive"].calls == 2
    assert all(one.host_ms > 0 for one in spent.values())
    assert [one.card_ms for one in spent.values()] == sorted(
        (one.card_ms for one in spent.values()), reverse=True
    )
