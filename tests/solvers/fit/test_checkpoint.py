"""Checkpoints: the same bits as a fit that never stopped; foreign and damaged files refused by name."""

import os

import numpy as np
import pytest
from cases.solvers import awkward, suited

from halfstep import SOLVERS, InputError
from halfstep.solvers.fit.start import starting_factors


class Killed(Exception):
    """Ends a fit from its callback, as a kill would: what is not on the disk is lost."""


def kill_after(iterations):
    def callback(iteration, seconds, loss):
        if iteration + 1 == iterations:
            raise Killed

    return callback


def model(name="cholesky", **settings):
    return suited(SOLVERS[name], **{"factors": 5, "iterations": 6, "random_state": 0, **settings})


def fit(model, matrix=None, **arguments):
    matrix = awkward(negative=False) if matrix is None else matrix
    return model.fit(matrix, show_progress=False, **arguments)


def stopped(path, after=3, name="cholesky", every=1, matrix=None, **settings):
    """Leave a checkpoint of a fit that was stopped after so many iterations."""
    with pytest.raises(Killed):
        fit(
            model(name, **settings),
            matrix,
            checkpoint=path,
            checkpoint_every=every,
            callback=kill_after(after),
        )
    return path


def same(a, b):
    return np.array_equal(a.user_factors, b.user_factors) and np.array_equal(
        a.item_factors, b.item_factors
    )


def test_every_solver_resumes_to_the_same_bits(any_solver, tmp_path):
    name = any_solver.name
    settings = {"num_threads": 1, "calculate_training_loss": True}
    whole = fit(model(name, **settings))
    if name != "popularity":
        stopped(tmp_path / "state", after=4, every=3, name=name, **settings)
    resumed = fit(model(name, **settings), checkpoint=tmp_path / "state", resume=True)
    assert same(resumed, whole)
    assert resumed.loss_history_ == whole.loss_history_
    assert len(resumed.seconds_) == len(whole.seconds_)
    assert os.listdir(tmp_path) == ["state"]


def test_threads_and_the_number_of_iterations_may_change(tmp_path):
    whole = fit(model("eigenbasis", iterations=8, num_threads=1))
    path = stopped(tmp_path / "state", after=2, name="eigenbasis", num_threads=2)
    resumed = fit(model("eigenbasis", iterations=8, num_threads=1), resume=str(path))
    assert same(resumed, whole)
    assert len(resumed.seconds_) == 8


def test_a_finished_fit_resumes_to_itself(tmp_path):
    whole = fit(model(), checkpoint=tmp_path / "state", checkpoint_every=4)
    calls = []
    again = fit(
        model(), checkpoint=tmp_path / "state", resume=True, callback=lambda *a: calls.append(a)
    )
    assert same(again, whole)
    assert calls == []


def test_callbacks_count_on(tmp_path):
    path, counted = stopped(tmp_path / "state"), []
    fit(model(), checkpoint=path, resume=True, callback=lambda i, s, loss: counted.append(i))
    assert counted == [3, 4, 5]


def test_it_is_written_when_it_is_due(tmp_path):
    path, seen = tmp_path / "state", []

    def callback(iteration, seconds, loss):
        seen.append(path.stat().st_mtime_ns if path.exists() else None)

    fit(model(iterations=5), checkpoint=path, checkpoint_every=2, callback=callback)
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1] == seen[2] < seen[3] < seen[4]


def test_without_one_yet_resume_begins(tmp_path):
    assert same(fit(model(), checkpoint=tmp_path / "state", resume=True), fit(model()))
    with pytest.raises(InputError, match=r"checkpoint .*absent. does not exist"):
        fit(model(), resume=tmp_path / "absent")


def other_values(matrix):
    changed = matrix.copy()
    changed.data[17] += 0.5
    return changed


DIFFERENT = [
    ({"alpha": 2.0}, "alpha 1.0 there, 2.0 here"),
    ({"factors": 6}, "factors 5 there, 6 here"),
    ({"dtype": np.float64}, "dtype 'float32' there, 'float64' here"),
    ({"confidence": "linear"}, "confidence 'implicit' there, 'linear' here"),
    ({"random_state": 1}, "random_state 0 there, 1 here"),
    ({"name": "conjugate_gradient"}, "solver 'cholesky' there, 'conjugate_gradient' here"),
    (
        {"init_factors": starting_factors(None, (43, 61), 5, np.float32, 0)},
        "its starting factors \\(init_factors, .*\\) differ",
    ),
    ({"matrix": other_values(awkward(negative=False))}, "its user_items differ"),
    (
        {"matrix": awkward(negative=False)[:42]},
        r"shape \[43, 61\] there, \[42, 61\] here",
    ),
]


@pytest.mark.parametrize(("change", "difference"), DIFFERENT)
def test_one_of_another_fit_is_refused_by_what_differs(change, difference, tmp_path):
    path = stopped(tmp_path / "state")
    before = path.read_bytes()
    change = dict(change)
    matrix = change.pop("matrix", None)
    other = model(**change)
    with pytest.raises(InputError, match=difference) as error:
        fit(other, matrix, checkpoint=path, resume=True)
    assert str(error.value).startswith(f"checkpoint '{path}' is of another fit: ")
    assert other.user_factors is None
    assert path.read_bytes() == before


def test_a_damaged_one_is_refused_wherever_the_damage_is(tmp_path):
    path = stopped(tmp_path / "state")
    whole = path.read_bytes()
    cuts = [*range(60), *range(60, len(whole), 97), len(whole) - 1]
    damaged = [whole[:cut] for cut in cuts] + [whole + b"\0"]
    damaged += [
        whole[:k] + bytes([whole[k] ^ 1]) + whole[k + 1 :] for k in range(0, len(whole), 97)
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"damaged or cut short|is not a halfstep checkpoint"):
            fit(model(), resume=path)


def test_a_file_that_is_no_checkpoint_is_not_overwritten(tmp_path):
    path = tmp_path / "plays.csv"
    path.write_text("user,item\n1,2\n")
    with pytest.raises(InputError, match="exists and is no checkpoint: it is not overwritten"):
        fit(model(), checkpoint=path)
    with pytest.raises(InputError, match="is not a halfstep checkpoint"):
        fit(model(), resume=path)
    assert path.read_text() == "user,item\n1,2\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint_every": 2}, "checkpoint_every has no meaning without checkpoint, got 2"),
        ({"checkpoint": "state", "checkpoint_every": 0}, "integer of at least 1, got 0"),
        ({"checkpoint": "state", "checkpoint_every": 1.5}, "integer of at least 1, got 1.5"),
        ({"resume": True}, "resume=True needs checkpoint"),
        ({"checkpoint": "."}, "checkpoint must be a file, got the folder"),
        ({"checkpoint": "nowhere/state"}, "the folder 'nowhere' does not exist"),
        ({"resume": "."}, "cannot be read: Is a directory"),
    ],
)
def test_arguments_are_checked_before_work(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unfitted = model()
    with pytest.raises(InputError, match=message):
        fit(unfitted, **arguments)
    assert unfitted.user_factors is None
    assert os.listdir(tmp_path) == []


def test_leftovers_of_dead_processes_are_removed_and_others_are_not(tmp_path):
    dead, alive = tmp_path / ".state.999999999.part", tmp_path / f".state.{os.getpid()}.part"
    other = tmp_path / ".other.999999999.part"
    for path in (dead, alive, other):
        path.write_bytes(b"half")
    unfinished = tmp_path / "state"
    stopped(unfinished, after=1)
    assert not dead.exists()
    assert other.exists()
    assert not alive.exists()  # this process's own, by which it has written


def test_a_random_start_is_in_the_checkpoint(tmp_path):
    path = stopped(tmp_path / "state", random_state=None)
    halfway = fit(model(iterations=3, random_state=None), resume=path)
    resumed = fit(model(random_state=np.random.default_rng()), resume=path)
    again = fit(model(init_factors=(halfway.user_factors, halfway.item_factors), iterations=3))
    assert same(resumed, again)
