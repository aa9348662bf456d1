"""Bad input: one line that names the argument, the rule and the value, on every solver."""

import numpy as np
import pytest
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import NotFitted, UnknownId

ARGUMENTS = [
    ({"factors": 0}, "factors must be at least 1, got 0"),
    ({"factors": 2.5}, "factors must be an integer, got 2.5"),
    ({"regularization": -0.1}, "regularization must be at least 0 and finite, got -0.1"),
    ({"iterations": 2.5}, "iterations must be an integer, got 2.5"),
    ({"num_threads": "2"}, "num_threads must be an integer, got '2'"),
    ({"regularization": None}, "regularization must be a number, got None"),
    ({"alpha": "a"}, "alpha must be a number, got 'a'"),
    ({"dtype": "foo"}, "dtype must be float32 or float64, got 'foo'"),
    ({"init_factors": 3}, r"init_factors must be \(user_factors, item_factors\), got 3"),
    ({"regularization": float("nan")}, "regularization must be at least 0 and finite, got nan"),
    ({"regularization_exponent": -1}, "regularization_exponent must be at least 0"),
    ({"iterations": -1}, "iterations must be at least 0, got -1"),
    ({"num_threads": -2}, "num_threads must be at least 0, got -2"),
    ({"dtype": np.float16}, "dtype must be float32 or float64, got float16"),
    ({"confidence": "lin"}, "confidence must be one of implicit, linear, .*, got 'lin'"),
    ({"alpha": -1.0}, "alpha must be at least 0 and finite, got -1.0"),
    ({"background": 0.1}, "background belongs to confidence 'binary' alone, got 0.1"),
    (
        {"confidence": "binary", "background": 0.0},
        "background must be positive, got 0.0",
    ),
    ({"confidence": "binary", "alpha": 2.0}, "alpha has no meaning with confidence 'binary'"),
    ({"epsilon": 2.0}, "epsilon belongs to confidence 'log' alone, got 2.0"),
    ({"confidence": "log", "epsilon": 0.0}, "epsilon must be positive, got 0.0"),
]


def good():
    return sparse.csr_matrix(np.array([[1.0, 0, 2], [0, 3, 0]]))


def with_value(value):
    matrix = good()
    matrix.data[1] = value
    return matrix


def with_index(index, form=sparse.csr_matrix):
    matrix = form(good())
    matrix.indices[0] = index
    return matrix


def with_pointers(*pointers):
    matrix = good()
    matrix.indptr[:] = pointers
    return matrix


MATRICES = [
    (with_index(3), "user_items must have item ids from 0 to 2, got 3"),
    (with_index(-1), "user_items must have item ids from 0 to 2, got -1"),
    (with_index(10**6, sparse.csc_array), "user_items must have item ids from 0 to 1, got 1000000"),
    (with_pointers(0, 9, 3), "user_items must have row pointers that rise from 0"),
    (with_pointers(0, 2, 9), "user_items must store as many entries as its row pointers say, 9"),
    (sparse.csr_array((np.array([1e300]), ([0], [0])), shape=(2, 3)), "must fit float32"),
    (np.ones((2, 2)), "user_items must be a SciPy sparse matrix or array, got ndarray"),
    (None, "user_items must be a SciPy sparse matrix or array, got NoneType"),
    (sparse.coo_array(np.array([1.0, 2.0])), "user_items must be two-dimensional, got shape"),
    (sparse.csr_matrix((2, 0)), r"user_items must have at least one row and one column, got shape"),
    (sparse.csr_matrix((0, 3)), r"user_items must have at least one row and one column, got shape"),
    (with_value(np.nan), "user_items must be finite, got nan at row 0, column 2"),
    (with_value(-np.inf), "user_items must be finite, got -inf at row 0, column 2"),
    (good().astype(np.complex64), "user_items must hold real numbers, got dtype complex64"),
]


def one_line(error):
    return "\n" not in str(error.value)


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_constructor(any_solver, arguments, message):
    with pytest.raises(InputError, match=message) as error:
        any_solver(**arguments)
    assert one_line(error)


@pytest.mark.parametrize(("arguments", "message"), ARGUMENTS)
def test_set_params_is_checked_and_so_is_fit(any_solver, arguments, message):
    model = any_solver()
    before = model.get_params()
    with pytest.raises(InputError, match=message):
        model.set_params(**arguments)
    assert model.get_params() == before
    model = any_solver()
    for name, value in arguments.items():
        setattr(model, name, value)
    with pytest.raises(InputError, match=message):
        model.fit(good(), show_progress=False)
    assert model.user_factors is None


@pytest.mark.parametrize(("given", "message"), MATRICES)
def test_matrix(any_solver, given, message):
    model = any_solver(factors=2)
    with pytest.raises(InputError, match=message) as error:
        model.fit(given, show_progress=False)
    assert one_line(error)
    assert model.user_factors is None


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((np.ones((2, 2), np.float32),), r"must be \(user_factors, item_factors\), got 1 arrays"),
        ((np.ones((2, 3), np.float32), np.ones((3, 2), np.float32)),
         r"user_factors must have shape \(2, 2\), got \(2, 3\)"),
        ((np.ones((2, 2), np.float32), np.ones((3, 2))),
         "item_factors must have dtype float32, got float64"),
        ((np.ones((2, 2), np.float32), np.full((3, 2), np.nan, np.float32)),
         "item_factors must be finite"),
    ],
)  # fmt: skip
def test_start(any_solver, start, message):
    with pytest.raises(InputError, match=message):
        any_solver(factors=2, init_factors=start).fit(good(), show_progress=False)


@pytest.mark.parametrize("seed", [-1, 1.5, "seed"])
def test_seed(rung, seed):
    with pytest.raises(InputError, match="random_state must be"):
        rung(factors=2, random_state=seed)


def test_own_settings():
    for name in ("conjugate_gradient", "eigenbasis", "implicit_cpu", "implicit_gpu"):
        with pytest.raises(InputError, match="cg_steps must be at least 1, got 0"):
            SOLVERS[name](cg_steps=0)
        with pytest.raises(InputError, match=r"cg_steps must be an integer, got 1\.5"):
            SOLVERS[name](cg_steps=1.5)
    with pytest.raises(InputError, match="cg_steps has no meaning with use_cg=False, got 5"):
        SOLVERS["implicit_cpu"](use_cg=False, cg_steps=5)


def test_queries(any_solver):
    model = any_solver(factors=2, iterations=1)
    for query in (
        lambda: model.recommend(0, good()[0]),
        lambda: model.similar_items(0),
        lambda: model.similar_users(0),
    ):
        with pytest.raises(NotFitted, match="must be fitted first"):
            query()
    model.fit(good(), show_progress=False)
    cases = [
        (lambda: model.recommend(2, good()[0]), UnknownId, "userid must be from 0 to 1, got 2"),
        (lambda: model.recommend(-1, good()[0]), UnknownId, "userid must be from 0 to 1, got -1"),
        (lambda: model.recommend(0.5, good()[0]), InputError, "userid must be an index"),
        (lambda: model.recommend(0, good()), InputError, "must have one row for each id"),
        (lambda: model.recommend(0, None), InputError, "user_items must be a SciPy sparse"),
        (lambda: model.recommend(0, good()[0], N=0), InputError, "N must be at least 1, got 0"),
        (lambda: model.recommend(0, good()[0], items=[3]), UnknownId, "items must be from 0 to 2"),
        (lambda: model.recommend(0, good()[0], filter_items=[-1]), UnknownId, "filter_items must"),
        (lambda: model.recommend(0, good()[0], items=[1], filter_items=[1]), InputError, "both"),
        (lambda: model.similar_items([0, 7]), UnknownId, "itemid must be from 0 to 2, got 7"),
        (lambda: model.recalculate_user([0, 1], good()[0]), InputError, "one row for each id"),
    ]
    for query, kind, message in cases:
        with pytest.raises(kind, match=message) as error:
            query()
        assert one_line(error)
