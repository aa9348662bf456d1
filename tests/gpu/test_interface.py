"""A fitted GPU model, emulated or on a card, answers as a CPU model with the same factors does."""

import copy
import pickle

import numpy as np
import pytest
from cases.gpu import device as on_device
from cases.solvers import GPU_RUNGS, awkward, require
from emulator import ORDERS

from halfstep import SOLVERS, AlternatingLeastSquares
from halfstep.solvers.base import Solver

USERS, ITEMS = np.arange(43)[::-1], np.arange(60)  # enough that the device is asked
DEFAULT, *OTHERS = [
    ("gpu", "random", np.float32),
    *(("gpu_cholesky", order, np.float32) for order in ORDERS),
    ("gpu_cholesky", "random", np.float64),
    *((name, "warp-random", np.float32) for name in GPU_RUNGS if "cg" in name),
]
CASES = [
    DEFAULT,
    OTHERS[0],
    *(pytest.param(*case, marks=pytest.mark.kernels) for case in OTHERS[1:]),
    *(
        pytest.param(name, "cupy", dtype, marks=pytest.mark.gpu)
        for name, dtype in (("gpu", "float32"), ("gpu_cholesky", "float64"))
    ),
]
pytestmark = pytest.mark.parametrize(("name", "order", "dtype"), CASES)


@pytest.fixture
def device(order):
    with on_device(order, multiprocessors=3) as backend:
        yield backend


@pytest.fixture
def matrix():
    return awkward(negative=False)


@pytest.fixture
def pair(name, dtype, device, matrix):
    """A GPU model, and one of the CPU that is handed copies of its factors."""
    settings = {"factors": 7, "iterations": 2, "random_state": 0, "dtype": dtype, "alpha": 2.0}
    there = AlternatingLeastSquares(solver=name, **settings).fit(matrix, show_progress=False)
    assert there.device == "gpu"
    return there, on_cpu(there, settings)


def on_cpu(model, settings):
    here = AlternatingLeastSquares(solver="cpu", **settings)
    here.user_factors, here.item_factors = model.user_factors.copy(), model.item_factors.copy()
    return here


# Each by (model, matrix), and whether the device selects.
ANSWERS = {
    "one user": (lambda m, A: m.recommend(9, A[9], N=7), False),
    "one user, solved anew": (lambda m, A: m.recommend(9, A[8], recalculate_user=True), False),
    "users": (lambda m, A: m.recommend(USERS, A[USERS], N=7), True),
    "users, solved anew": (
        lambda m, A: m.recommend(USERS, A[USERS], N=7, recalculate_user=True),
        True,
    ),
    "users, of some items": (lambda m, A: m.recommend(USERS, A[USERS], items=[3, 5, 60]), True),
    "users, but some items": (
        lambda m, A: m.recommend(USERS, None, 61, False, filter_items=[0, 1, 9]),
        True,
    ),
    "all users": (lambda m, A: m.recommend_all(A, N=61), True),
    "ranked for one": (lambda m, A: m.rank_items(9, A[9], [40, 3, 3, 17]), False),
    "ranked for users": (lambda m, A: m.rank_items(USERS, A[USERS], [40, 3, 3, 17]), True),
    "like an item": (lambda m, A: m.similar_items(3, N=5), False),
    "like items": (lambda m, A: m.similar_items(ITEMS, N=5, filter_items=[7]), True),
    "like items, solved anew": (
        lambda m, A: m.similar_items(ITEMS, 5, recalculate_item=True, item_users=A.T.tocsr()[:60]),
        True,
    ),
    "like a user": (lambda m, A: m.similar_users(9, N=5), False),
    "like users": (lambda m, A: m.similar_users(USERS, N=5, users=[1, 2, 30]), True),
    "a user solved": (lambda m, A: m.recalculate_user(9, A[9]), False),
    "users solved": (lambda m, A: m.recalculate_user(USERS, A[USERS]), False),
    "an item solved": (lambda m, A: m.recalculate_item(9, A.T.tocsr()[9]), False),
    "items solved": (lambda m, A: m.recalculate_item(ITEMS, A.T.tocsr()[:60]), False),
    "explained": (lambda m, A: m.explain(9, A, 12), False),
}


def same(got, expected):
    """Raise AssertionError unless shapes, dtypes and ids are equal, and numbers but for rounding."""
    if isinstance(expected, tuple | list):
        assert type(got) is type(expected)
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            same(one, other)
        return
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    if expected.dtype.kind == "f":
        eps = np.finfo(expected.dtype).eps
        np.testing.assert_allclose(got, expected, rtol=200 * eps, atol=20 * eps)
    else:
        np.testing.assert_array_equal(got, expected)


def all_the_same(there, here, matrix, device):
    for what, (ask, selects) in ANSWERS.items():
        before = device.launched("top_k")
        got = ask(there, matrix)
        assert device.launched("top_k") - before == (selects and there.device == "gpu"), what
        same(got, ask(here, matrix))


def test_every_answer_is_the_cpu_s(pair, matrix, device):
    all_the_same(*pair, matrix, device)


@pytest.mark.parametrize(("users", "items"), [([5, 9], [3, 8]), ([9, 44], [8, 62])])
def test_what_is_stored_later_is_answered_for_on_the_device(pair, matrix, device, users, items):
    """Ids that the model has are written in place; of new ones it grows."""
    there, here = pair
    first = there.recommend(USERS, matrix[USERS]), there.similar_items(ITEMS)  # copies it there
    for model in (there, here):
        model.partial_fit_users(users, matrix[[8, 5]])
        model.partial_fit_items(items, matrix.T.tocsr()[[12, 3]])
    same(there.user_factors, here.user_factors)
    same(there.item_factors, here.item_factors)
    later = there.recommend(USERS, matrix[USERS]), there.similar_items(ITEMS)
    assert not any(np.array_equal(a[1], b[1]) for a, b in zip(first, later, strict=True))
    all_the_same(there, here, matrix, device)
    for kept, factors in zip(
        there.device_factors_, (there.user_factors, there.item_factors), strict=True
    ):
        np.testing.assert_array_equal(device.to_host(kept), factors)


def test_a_copy_a_pickle_and_a_file_are_the_model(pair, matrix, device, tmp_path):
    there, here = pair
    other = copy.copy(here).partial_fit_users([9], matrix[8])
    moved = other.recommend(USERS, matrix[USERS])
    there.save(tmp_path / "there.npz")
    here.save(tmp_path / "here.npz")
    for again in (
        copy.copy(there),
        copy.deepcopy(there),
        pickle.loads(pickle.dumps(there)),
        Solver.load(tmp_path / "there.npz"),
        there._rung().load(tmp_path / "here.npz"),
    ):
        assert again._rung() is there._rung()
        differing = again._settings().items() - there._settings().items()
        assert dict(differing).keys() <= {"cg_steps"}  # which the CPU's model has, too
        np.testing.assert_array_equal(again.user_factors, there.user_factors)
        np.testing.assert_array_equal(again.item_factors, there.item_factors)
        again.partial_fit_users([9], matrix[8])  # its own factors, on the device, too
        same(again.recommend(USERS, matrix[USERS]), moved)
    all_the_same(there, here, matrix, device)
    for solver in ("naive", "eigenbasis"):
        all_the_same(SOLVERS[solver].load(tmp_path / "there.npz"), here, matrix, device)


def test_there_and_back(pair, matrix, device):
    there, here = pair
    down = there.to_cpu()
    up = here.to_gpu()
    assert (down.device, up.device) == ("cpu", "gpu")
    for model in (down, up, there.to_gpu(), down.to_gpu()):
        np.testing.assert_array_equal(model.user_factors, there.user_factors)
        assert model.user_factors is not there.user_factors
        all_the_same(model, here, matrix, device)
    assert type(there.to_gpu()) is type(there)


def test_implicit_s_own_model_answers_the_same(pair, matrix):
    require("implicit_cpu")
    there, _ = pair
    implicit = there.to_implicit()
    for ask in ("users", "like items", "like a user"):
        answer, _ = ANSWERS[ask]
        found, scores = answer(there, matrix)
        expected, theirs = answer(implicit, matrix)
        listed = (found >= 0) & (scores != 0)  # rows of zeros tie, there in no order
        np.testing.assert_array_equal(found[listed], np.asarray(expected)[listed])
        np.testing.assert_allclose(scores[listed], np.asarray(theirs)[listed], rtol=1e-4, atol=1e-6)


def test_another_fit_replaces_the_device_s_copies(pair, matrix, device):
    there, here = pair
    there.recommend(USERS, matrix[USERS])
    settings = {k: v for k, v in here.get_params().items() if k in Solver.parameters()}
    there.set_params(random_state=3).fit(matrix.multiply(matrix > 1).tocsr(), show_progress=False)
    all_the_same(there, on_cpu(there, settings), matrix, device)
