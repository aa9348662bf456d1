"""Many threads query one model while another one assigns factors or stores rows.

Every answer must be that of one state of the model: the writer goes back and forth between two states,
whose answers are known before.
"""

import copy
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.solvers.model import partial_fit
from halfstep.solvers.model.reading import Reading

USERS, ITEMS, FACTORS = 1500, 700, 8
SECONDS = 0.35


@pytest.fixture(autouse=True)
def frequent_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def entries():
    matrix = sparse.random(USERS, ITEMS, 0.02, format="csr", random_state=0, dtype=np.float32)
    matrix.data[:] = 1
    matrix.sort_indices()
    return matrix


@pytest.fixture
def model():
    return with_factors(SOLVERS["cholesky"](FACTORS, num_threads=1), 0, FACTORS)


def with_factors(model, seed, width):
    rng = np.random.default_rng(seed)
    sides = (rng.standard_normal((n, width), np.float32) for n in (USERS, ITEMS))
    model.user_factors, model.item_factors = sides
    return model


def queries(entries):
    """Return functions of a model; each answer is a tuple of arrays."""
    some = np.arange(40)
    return {
        "one user": lambda m: m.recommend(3, entries[3], N=7),
        "many users": lambda m: m.recommend(some, entries[some], N=7),
        "a long list": lambda m: m.recommend(some, entries[some], N=500),
        "recalculated": lambda m: m.recommend(3, entries[3], N=7, recalculate_user=True),
        "items": lambda m: m.similar_items(5, N=ITEMS),
        "users": lambda m: m.similar_users(5, N=USERS),
        "folded in": lambda m: (m.recalculate_user(some, entries[some]),),
        "explained": lambda m: tuple(
            np.ravel(x) for x in zip(*m.explain(3, entries, 9)[1], strict=True)
        ),
    }


def differ(answer, expected):
    # BLAS may sum in another order where an array lies elsewhere in memory.
    return any(
        a.shape != b.shape or not np.allclose(np.sort(a, None), np.sort(b, None), 1e-4, 1e-5)
        for a, b in zip(answer, expected, strict=True)
    )


def wrong_answers(model, states, change, asked, refused=()):
    """Query in four threads while `change(model, state)` is called; return an answer of no state."""
    known = {name: [ask(copy.copy(state)) for state in states] for name, ask in asked.items()}
    assert all(differ(*answers) for answers in known.values())
    wrong, counts, changed = [], dict.fromkeys(asked, 0), [0]
    begin = time.monotonic()

    def going_on():
        """Return whether to go on: longer on a machine that is too busy for a few rounds in time."""
        spent = time.monotonic() - begin
        few = changed[0] < 2 or min(counts.values()) == 0
        return not wrong and (spent < SECONDS or (few and spent < 100 * SECONDS))

    def read(part):
        while going_on():
            for name in part:
                try:
                    answer = asked[name](model)
                except refused:
                    continue
                counts[name] += 1
                if all(differ(answer, one) for one in known[name]):
                    wrong.append((name, answer))

    def write():
        while going_on():
            change(model, changed[0] % 2)
            changed[0] += 1

    names = list(asked)
    with ThreadPoolExecutor(5) as pool:
        others = [pool.submit(read, names[i::4]) for i in range(4)]
        write()
        for other in others:
            other.result()
    assert changed[0] > 1
    assert min(counts.values()) > 0
    return wrong


def test_one_side_is_assigned(model, entries):
    states = [model, with_factors(copy.copy(model), 1, FACTORS)]
    states[1].user_factors = model.user_factors
    sides = [state.item_factors.copy() for state in states]
    asked = queries(entries)
    del asked["users"]  # these do not change

    def change(model, state):
        model.item_factors = sides[state]

    assert not wrong_answers(copy.copy(model), states, change, asked)


def test_both_sides_are_kept_with_another_width(model, entries):
    states = [model, with_factors(copy.copy(model), 1, FACTORS + 3)]
    sides = [(state.user_factors.copy(), state.item_factors.copy()) for state in states]

    def change(model, state):
        model._keep(0, *sides[state])

    assert not wrong_answers(copy.copy(model), states, change, queries(entries))


def test_both_sides_are_assigned_one_after_the_other(model, entries):
    states = [model, with_factors(copy.copy(model), 1, FACTORS + 3)]
    sides = [(state.user_factors.copy(), state.item_factors.copy()) for state in states]
    asked = queries(entries)

    def change(model, state):
        model.user_factors, model.item_factors = sides[state]

    # Between the two assignments the model has sides of two widths.
    assert not wrong_answers(copy.copy(model), states, change, asked, refused=InputError)


@pytest.mark.parametrize("side", ["user", "item"])
def test_rows_are_stored(model, entries, side):
    """All rows of a side but those that are asked for are stored at once, half of the time others."""
    rows = np.arange(600 if side == "user" else 10, len(getattr(model, f"{side}_factors")))
    stored = np.random.default_rng(3).standard_normal((2, len(rows), FACTORS), np.float32)

    def change(model, state):
        # What partial_fit_users and partial_fit_items end with; they would be solving all the time.
        partial_fit._store(model, f"{side}_factors", rows, stored[state], "ids")

    states = [copy.copy(model), copy.copy(model)]
    for state, one in enumerate(states):
        change(one, state)
    asked = queries(entries)
    if side == "user":
        asked = {"users": asked["users"]}
    else:
        del asked["users"]
    assert not wrong_answers(copy.copy(states[0]), states, change, asked)


def test_nobody_loses_a_row_that_another_thread_stores(model, entries):
    new = np.arange(USERS, USERS + 80)
    given = entries[np.arange(80)]
    expected = copy.copy(model).partial_fit_users(new, given).user_factors[USERS:]

    def store(k):
        model.partial_fit_users(new[k : k + 1], given[[k]])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store, range(80)))
    np.testing.assert_allclose(model.user_factors[USERS:], expected, rtol=1e-4, atol=1e-5)


def test_rows_are_stored_in_place_unless_they_are_being_read(model, entries):
    before = model.user_factors
    model.partial_fit_users([4], entries[4])
    assert model.user_factors is before
    with Reading(model, "user_factors") as (side,):
        row = side.array()[4].copy()
        model.partial_fit_users([4], entries[5])
        np.testing.assert_array_equal(side.array()[4], row)
        assert model.user_factors is not before
    now = model.user_factors
    model.user_factors = now  # the same array again
    with Reading(model, "user_factors"):
        model.user_factors = now
        model.partial_fit_users([4], entries[4])
        assert model.user_factors is not now
    with pytest.raises(InputError), Reading(model, "user_factors"):
        model.recommend(USERS, None, filter_already_liked_items=False)
    now = model.user_factors
    model.partial_fit_users([4], entries[5])
    assert model.user_factors is now


def test_two_threads_may_ask_for_the_first_time(entries):
    for seed in range(20):
        model = with_factors(SOLVERS["cholesky"](FACTORS), seed, FACTORS)
        model.item_factors = model.item_factors.astype(">f4")
        begin = threading.Barrier(4)

        def ask(_, model=model, begin=begin):
            begin.wait()
            return model.similar_items(5, N=9)[0].tolist()

        with ThreadPoolExecutor(4) as pool:
            first, *others = pool.map(ask, range(4))
        assert others == [first] * 3
