"""Factors that callers assign: which arrays answer, and which are refused, for one id as for many."""

import pickle

import numpy as np
import pytest
from model.assigned import (
    BY_ITEM,
    EVERY_ITEM,
    EVERYBODY,
    EXPORTS,
    MATRIX,
    QUERIES,
    READS_ITEMS_ONLY,
    READS_USERS_ONLY,
    factors,
    mapped,
    model_of,
    same,
)

from halfstep import InputError

BOTH = {
    "unequal widths": (lambda X, Y: (X, np.c_[Y, Y]), r"got shapes \(700, 8\) and \(600, 16\)"),
    "narrow users": (lambda X, Y: (X[:, :3], Y), r"got shapes \(700, 3\) and \(600, 8\)"),
    "three dimensions": (lambda X, Y: (X[:, :, None], Y[:, :, None]), r"got shape \(700, 8, 1\)"),
    "one dimension": (lambda X, Y: (X, Y[:, 0]), r"item_factors .* got shape \(600,\)"),
    "no columns": (lambda X, Y: (X[:, :0], Y[:, :0]), r"got shape \(700, 0\)"),
    "float16": (lambda X, Y: (X, Y.astype(np.float16)), r"got float16: .*astype\(numpy.float32\)"),
    "integers": (lambda X, Y: (X.astype(int), Y), "float32 or float64, got int64"),
    "complex": (lambda X, Y: (X.astype(complex), Y), "float32 or float64, got complex128"),
    "objects": (lambda X, Y: (X, Y.astype(object)), "float32 or float64, got object"),
    "lists": (
        lambda X, Y: (X.tolist(), Y.tolist()),
        "user_factors must be a NumPy array, got list",
    ),
    "masked": (lambda X, Y: (X, np.ma.masked_less(Y, 0)), "a NumPy array, got MaskedArray"),
}


@pytest.mark.parametrize("what", BOTH)
def test_what_cannot_be_answered_for_is_refused_alike_everywhere(what):
    change, says = BOTH[what]
    model = model_of(*change(*factors()))
    for name, ask in {**QUERIES, **EXPORTS}.items():
        with pytest.raises(InputError, match=says) as refused:
            pytest.fail(f"{name} answered {ask(model)}")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize("side", ["user_factors", "item_factors"])
def test_numbers_that_are_not_finite_are_refused_for_one_as_for_many(side, bad):
    X, Y = factors()
    (X if side == "user_factors" else Y)[11, 2] = bad
    model, good = model_of(X, Y), model_of(*factors())
    unread = READS_ITEMS_ONLY if side == "user_factors" else READS_USERS_ONLY
    for name, ask in {**QUERIES, **EXPORTS}.items():
        if name in unread:
            same(ask(model), ask(good))
            continue
        with pytest.raises(InputError, match=f"{side} must be finite, row 11 is not"):
            pytest.fail(f"{name} answered {ask(model)}")


def unaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(array.tobytes(), np.uint8)
    return room[1:].view(array.dtype).reshape(array.shape)


FORMS = {
    "big-endian": lambda a, name, folder: a.astype(">f4"),
    "by columns": lambda a, name, folder: np.asfortranarray(a),
    "every other row and column": lambda a, name, folder: np.repeat(np.repeat(a, 2, 0), 2, 1)[
        ::2, ::2
    ],
    "not aligned": lambda a, name, folder: unaligned(a),
    "a matrix": lambda a, name, folder: a.view(np.matrix),
    "mapped": lambda a, name, folder: mapped(a, folder, name),
}


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("what", [name.replace(" ", "_") for name in FORMS])
def test_other_forms_of_the_same_numbers_answer_alike(what, tmp_path):
    X, Y = factors()
    form = FORMS[what.replace("_", " ")]
    model = model_of(form(X, "X.npy", tmp_path), form(Y, "Y.npy", tmp_path))
    plain = model_of(X, Y)
    given = model.item_factors
    for ask in QUERIES.values():
        same(ask(model), ask(plain))
    assert (model.item_factors is given) == (what not in ("big-endian", "not_aligned"))
    assert model.item_factors is model.item_factors
    assert model.item_factors.dtype.isnative
    same(pickle.loads(pickle.dumps(model)).recommend(3, MATRIX[3]), plain.recommend(3, MATRIX[3]))


@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4")])
def test_sides_of_two_types_answer_in_the_type_of_the_items_or_of_what_is_compared(dtypes):
    X, Y = factors()
    model, plain = model_of(X.astype(dtypes[0]), Y.astype(dtypes[1])), model_of(X, Y)
    for name, ask in QUERIES.items():
        same(ask(model), ask(plain), rtol=1e-3)
        if name.startswith("recommend") and name != "recommend_all":
            assert ask(model)[1].dtype == dtypes[1]
    assert model.recalculate_user(3, MATRIX[3]).dtype == dtypes[1]
    assert model.recalculate_item(EVERY_ITEM, BY_ITEM).dtype == dtypes[0]


def test_weights_are_in_the_type_of_the_factors():
    """Values of a model of float32 would be rounded, although the factors that are assigned are not."""
    X, Y = factors(np.float64)
    row = MATRIX[3] * 0.1
    assert np.array_equal(
        model_of(X, Y).recalculate_user(3, row),
        model_of(X, Y, dtype=np.float64).recalculate_user(3, row),
    )


@pytest.mark.parametrize("dtypes", [("f4", "f4"), ("f8", "f4")])
def test_scores_that_overflow_are_refused_for_one_as_for_many(dtypes):
    X, Y = (side.astype(dtype) for side, dtype in zip(factors(), dtypes, strict=True))
    X[3] *= 1e20
    Y[7] *= 1e20
    model = model_of(X, Y)
    for users in (3, [3, 5], EVERYBODY):
        with pytest.raises(InputError, match=r"scores must be finite, got -?(inf|nan) for user"):
            model.recommend(users, MATRIX[users])
    same(model.recommend(5, MATRIX[5])[0], model.recommend([5], MATRIX[5])[0][0])
    for item in (5, EVERY_ITEM):
        with pytest.raises(InputError, match="must have a norm in float32, row 7 is too large"):
            model.similar_items(item)
