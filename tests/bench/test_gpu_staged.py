"""The staged run for a card: its processes, and on the emulator those of its parts that need no card."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from emulator import EmulatorBackend, build

from halfstep.bench.gpu import compile_ahead, proofs, smoke, staged, staged_parts
from halfstep.bench.gpu.shapes import Shape, generate
from halfstep.bench.gpu.staged_process import Place, Stage
from halfstep.bench.gpu.timeline import ITERATIONS, timeline
from halfstep.kernels.cuda.backend import unavailable, using
from halfstep.solvers import SOLVERS

emulated = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
# Starts a child that would outlive it, writes the child's number, and hangs.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
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


def test_without_a_card_it_says_in_a_line_why(capsys):
    if unavailable() is None:
        pytest.skip("there is a card")
    for arguments in (["first"], ["second"], ["one", "ceilings"]):
        assert staged.main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("cannot run here: ")
        assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["one"], ["one", "nothing"], ["first", "data"], []])
def test_what_is_no_part_is_refused(arguments):
    with pytest.raises(SystemExit) as refused:
        staged.main(arguments)
    assert refused.value.code == 2


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks for processes in /proc")
def test_a_part_that_hangs_is_killed_with_what_it_started(place, tmp_path):
    stage = Stage(place, seconds=60)
    number = tmp_path / "child"
    process = stage.spawn([sys.executable, "-c", PARENT, str(number)])
    while not (number.exists() and number.read_text()):
        time.sleep(0.02)
    assert stage.wait(0.1, "hangs", process) is None
    assert not runs(process.pid)
    until = time.monotonic() + 10
    while runs(int(number.read_text())) and time.monotonic() < until:
        time.sleep(0.02)
    assert not runs(int(number.read_text()))
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
    assert staged.main(command) == 1
    (line,) = records(place)
    assert line["part"] == "fit"
    assert "FileNotFoundError" in line["error"]


@emulated
def test_only_a_rung_that_is_right_passes(place, monkeypatch):
    with using(EmulatorBackend()):
        assert staged_parts.PARTS["smoke"](place, "gpu_cholesky") == 0
        monkeypatch.setattr(smoke, "relative_residuals", lambda problem, X: np.array([0, np.nan]))
        assert staged_parts.PARTS["smoke"](place, "gpu_cholesky") == 1
    right, wrong = records(place)
    assert 0 < right["residuals"]["8"] < 1e-5
    assert (right["right"], wrong["right"], wrong["residuals"]["8"]) == (True, False, None)


@emulated
def test_all_that_fits_launch_is_compiled_ahead():
    matrix = generate(Shape("some", 60, 90, 900))
    backend = EmulatorBackend()
    with using(backend):
        for name in proofs.gpu_rungs():
            settings = {"confidence": "log", "regularization": 20.0, "random_state": 0}
            solver = SOLVERS[name](
                factors=33, iterations=1, calculate_training_loss=True, **settings
            )
            solver.fit(matrix, show_progress=False)
        solver.recommend(np.arange(60), matrix, N=10)
    launched = {(launch.file, launch.defines) for launch in backend.launches}
    assert launched <= set(compile_ahead.variants((33,), backend.shared_limit))


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


@pytest.mark.kernels
@emulated
@pytest.mark.parametrize("stage", ["first", "second"])
def test_a_stage_on_the_emulator(place, stage):
    folders = ["--out", str(place.out), "--data", str(place.data)]
    assert staged.main(["--emulate", *folders, stage]) == 0
    found = records(place)
    ended = [line for line in found if line["part"] == "ended"]
    assert {line["code"] for line in ended} == {0}, found
    parts = {line["part"] for line in found}
    if stage == "first":
        assert parts >= {"environment", "data", "smoke", "right", "timeline", "contest", "done"}
        (right,) = (line for line in found if line["part"] == "right")
        assert right["rungs"] == ["gpu_cg_7_half", "gpu_cg_1_naive"]
    else:
        around = {line["name"]: line["found"] for line in found if line["part"] == "surrounding"}
        assert list(around) == ["queries", "streaming", "half"]
        assert not any(part.get("cannot_run") for part in around.values())
    assert found[-1]["seconds"] < 540
