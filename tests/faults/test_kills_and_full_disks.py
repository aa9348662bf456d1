"""Fits and savings that are killed, interrupted and run out of disk, for real and at random moments."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cases.process_to_kill import SOLVERS_TO_KILL, model, plays
from cases.processes import path_env
from cases.solvers import awkward
from faults.soak import few_or_many, tally, worst

from halfstep import InputError, Solver
from halfstep.solvers.fit.start import starting_factors

resource = pytest.importorskip("resource", reason="needs fork and POSIX signals")
KILLED = -signal.SIGKILL
FIRST_BY_DEFAULT = [
    SOLVERS_TO_KILL[0],
    *(pytest.param(name, marks=pytest.mark.soak) for name in SOLVERS_TO_KILL[1:]),
]


class Victim:
    """The process that forks the ones to be killed."""

    def __init__(self):
        program = [sys.executable, "-m", "cases.process_to_kill"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._server = subprocess.Popen(program, env=path_env(), **pipes)
        assert self._server.stdout.readline() == "ready\n"

    def run(self, job, *signals):
        """Run a job, send it signals (seconds after the last one, number), return its exit code."""
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        process = int(self._server.stdout.readline())
        for seconds, number in signals:
            time.sleep(seconds)
            try:
                os.kill(process, number)
            except ProcessLookupError:
                break
        return int(self._server.stdout.readline())

    def close(self):
        self._server.stdin.close()
        assert self._server.wait(10) == 0
        self._server.stdout.close()


@pytest.fixture(scope="module")
def victim():
    victim = Victim()
    yield victim
    victim.close()


@pytest.fixture(scope="module")
def courses():
    """Return {solver: start and factors after each iteration of a fit that nothing disturbs}."""
    found = {}
    for solver in SOLVERS_TO_KILL:
        fitted = model(solver)
        start = starting_factors(None, plays().shape, fitted.factors, np.float32, 0)
        pairs = [start]
        fitted.fit(
            plays(),
            show_progress=False,
            callback=lambda *_, f=fitted, p=pairs: p.append((f.user_factors, f.item_factors)),
        )
        found[solver] = pairs
    return found


def job(folder, solver, **more):
    files = {"state": str(folder / "state"), "result": str(folder / "result.npz")}
    return {"do": "fit", "solver": solver, **files, **more}


def result(folder):
    with np.load(folder / "result.npz") as archive:
        return archive["X"], archive["Y"], int(archive["stopped"])


def assert_undisturbed(folder, course):
    X, Y, stopped = result(folder)
    assert stopped == -1
    assert np.array_equal(X, course[-1][0])
    assert np.array_equal(Y, course[-1][1])


def seconds_of(victim, folder, solver):
    start = time.perf_counter()
    assert victim.run(job(folder, solver)) == 0
    for file in folder.iterdir():
        file.unlink()
    return time.perf_counter() - start


@few_or_many(1, 50)
@pytest.mark.parametrize("solver", FIRST_BY_DEFAULT)
def test_killed_at_any_moment_it_resumes_to_the_same_bits(
    solver, rounds, victim, courses, tmp_path
):
    rng = np.random.default_rng(0)
    whole = seconds_of(victim, tmp_path, solver)
    for _ in range(rounds):
        for seconds in rng.uniform(0, whole, size=4):
            if victim.run(job(tmp_path, solver), (seconds, signal.SIGKILL)) == KILLED:
                tally("Long fits", f"{solver} killed (SIGKILL) at random", "no state lost or torn")
        assert victim.run(job(tmp_path, solver)) == 0
        assert_undisturbed(tmp_path, courses[solver])
        tally("Long fits", f"{solver} resumed after four such kills", "same bits as undisturbed")
        assert sorted(os.listdir(tmp_path)) == ["result.npz", "state"]
        (tmp_path / "state").unlink()


POINTS = ("half written", "before fsync", "after fsync", "before replace", "after replace")


@few_or_many(1, 12)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_point_of_writing_a_checkpoint(point, rounds, victim, courses, tmp_path):
    for before in range(rounds):
        dying = job(tmp_path, "cholesky", die_at=(point, before))
        assert victim.run(dying) == KILLED
        assert victim.run(job(tmp_path, "cholesky")) == 0
        assert_undisturbed(tmp_path, courses["cholesky"])
        tally("Long fits", f"killed in a checkpoint: {point}", "same bits as undisturbed")
        (tmp_path / "state").unlink()


def on_course(X, Y, course):
    """Return whether X and Y are a pair that the undisturbed fit has after some half-step."""
    for before, after in zip(course, [*course[1:], course[-1]], strict=True):
        if np.array_equal(Y, before[1]):
            return np.array_equal(X, before[0]) or np.array_equal(X, after[0])
    return False


@few_or_many(2, 40)
@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("solver", FIRST_BY_DEFAULT)
def test_ctrl_c_at_any_moment(solver, presses, rounds, victim, courses, tmp_path):
    rng = np.random.default_rng(presses)
    whole = seconds_of(victim, tmp_path, solver)
    for _ in range(rounds):
        pressed = [(rng.uniform(0, whole), signal.SIGINT)]
        pressed += [(rng.uniform(0, whole / 10), signal.SIGINT)] * (presses - 1)
        code = victim.run(job(tmp_path, solver, interruptible=True), *pressed)
        assert code in (0, 130)
        times = {1: "once", 2: "twice"}[presses]
        if code == 0:
            X, Y, stopped = result(tmp_path)
            assert on_course(X, Y, courses[solver])
            ended = "a whole pair of factors" if stopped >= 0 else "over before the signal"
        else:
            ended = "KeyboardInterrupt"
        tally("Long fits", f"{solver}, Ctrl-C {times}", ended)
        assert victim.run(job(tmp_path, solver)) == 0
        assert_undisturbed(tmp_path, courses[solver])
        tally("Long fits", f"{solver} resumed after Ctrl-C {times}", "same bits as undisturbed")
        (tmp_path / "state").unlink()


@few_or_many(2, 150)
def test_a_model_killed_in_saving_is_the_old_or_the_new_one(rounds, victim, tmp_path):
    models = [model("cholesky", iterations=k).fit(plays(), show_progress=False) for k in (1, 2)]
    paths = [tmp_path / f"{k}.npz" for k in (1, 2)]
    for saved, path in zip(models, paths, strict=True):
        saved.save(path)
    path, rng = tmp_path / "model.npz", np.random.default_rng(4)
    models[0].save(path)
    saving = {"do": "save", "models": [str(p) for p in paths], "path": str(path)}
    for _ in range(rounds):
        assert victim.run(saving, (rng.uniform(0, 0.1), signal.SIGKILL)) == KILLED
        found = Solver.load(path).item_factors
        assert any(np.array_equal(found, saved.item_factors) for saved in models)
        tally("Long fits", "killed (SIGKILL) while saving models", "the old or the new file, whole")


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 256 KiB, or skip."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no small disk: there is no mount command")
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder, leave):
    """Fill a disk up to `leave` bytes and return the file that does."""
    filler, free = folder / "filler", os.statvfs(folder)
    with filler.open("wb") as file:
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - leave)))
    return filler


@few_or_many(5, 300)
def test_a_full_disk_leaves_the_old_model(rounds, small_disk):
    old, new = (model("cholesky", iterations=k).fit(plays(), show_progress=False) for k in (1, 2))
    path, rng = small_disk / "model.npz", np.random.default_rng(5)
    old.save(path)
    content = path.read_bytes()
    for _ in range(rounds):
        filler = fill(small_disk, int(rng.integers(len(content) - 4096)))
        with pytest.raises(InputError, match="cannot be written: No space left on device"):
            new.save(path)
        filler.unlink()
        assert path.read_bytes() == content
        assert os.listdir(small_disk) == ["model.npz"]
        tally("Long fits", "disk full while saving a model", "old file intact, refused in one line")
    new.save(path)
    assert np.array_equal(Solver.load(path).item_factors, new.item_factors)


@few_or_many(2, 60)
def test_a_full_disk_ends_no_fit(rounds, small_disk, courses, caplog):
    course, rng = courses["cholesky"], np.random.default_rng(6)
    path = small_disk / "state"
    for _ in range(rounds):
        at, fillers = int(rng.integers(1, 9)), []

        def callback(iteration, *_, at=at, fillers=fillers):
            if iteration == at:
                fillers.append(fill(small_disk, int(rng.integers(8000))))

        caplog.clear()
        fitted = model("cholesky")
        fitted.fit(plays(), show_progress=False, checkpoint=path, callback=callback)
        assert np.array_equal(fitted.item_factors, course[-1][1])
        assert f"no checkpoint after {at + 2} iterations: " in caplog.text
        fillers[0].unlink()
        resumed = model("cholesky", iterations=at + 1)
        resumed.fit(plays(), show_progress=False, resume=path)
        assert np.array_equal(resumed.user_factors, course[at + 1][0])
        tally("Long fits", "disk full during a fit with checkpoints", "fit ends, last one is whole")
        path.unlink()


@few_or_many(5, 300)
def test_a_limit_on_file_sizes_leaves_the_old_model(rounds, tmp_path):
    old, new = (model("cholesky", iterations=k).fit(plays(), show_progress=False) for k in (1, 2))
    path, rng = tmp_path / "model.npz", np.random.default_rng(7)
    old.save(path)
    content = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for _ in range(rounds):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(rng.integers(len(content))), limits[1]))
        try:
            with pytest.raises(InputError, match="cannot be written: File too large"):
                new.save(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["model.npz"]
        tally(
            "Long fits", "RLIMIT_FSIZE while saving a model", "old file intact, refused in one line"
        )


@pytest.mark.soak
def test_looking_for_what_is_not_finite_is_cheap():
    from halfstep.solvers.inputs import row_not_finite

    matrix = awkward(3000, 2000, negative=False)
    fitted = model("eigenbasis", factors=64, iterations=4).fit(matrix, show_progress=False)
    start = time.perf_counter()
    for _ in range(100):
        row_not_finite(fitted.user_factors)
        row_not_finite(fitted.item_factors)
    share = (time.perf_counter() - start) / 100 / min(fitted.seconds_)
    worst("Numbers", "share of an iteration spent on looking for NaN", round(share, 5), 0.05)
    assert share < 0.05  # five times what it is, on a machine that others use
