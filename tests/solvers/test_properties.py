"""What must hold for any matrix, convention, dtype and rung; hypothesis draws them.

The default run takes the same few examples every time; `pytest -m soak` takes thousands of new ones.
"""

import copy
import io
import pickle

import numpy as np
import oracle
import pytest
from faults.soak import few_or_many, tally
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from strategies import FORMS, HERE, VALUES, entries, models

from halfstep import SOLVERS
from halfstep.evaluation.protocols.split import leave_one_out, per_user, random_rows
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import objective, relative_residuals

# A ridge that the Cholesky rung had to add in single precision, and says so.
pytestmark = pytest.mark.filterwarnings("ignore::halfstep.NumericalWarning")

CONVENTION = ("confidence", "alpha", "epsilon", "background")


def hold(law, rounds, *drawn):
    """Try a law on so many draws."""
    few = rounds < 100

    @settings(
        max_examples=rounds,
        derandomize=few,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*drawn))
    def holds(case):
        law(*case)
        tally("Properties", law.__name__.replace("_", " "), "holds")

    holds()


def convention_of(model):
    used = {name: getattr(model, name) for name in CONVENTION}
    return {
        **used,
        "regularization": model.regularization,
        "exponent": model.regularization_exponent,
    }


def fitted(model, matrix, **changes):
    return model.set_params(**changes).fit(matrix, show_progress=False)


def factors(seed, rows, model):
    drawn = np.random.default_rng(seed).normal(size=(rows, model.factors))
    return drawn.astype(model.dtype)


@few_or_many(30, 2000)
def test_a_half_step_is_the_oracles(rounds):
    def half_steps_solve_every_row(drawn, model, seed):
        matrix = as_csr(drawn.at())
        users, _ = model.weights(matrix)
        problem = users.fixing(factors(seed, matrix.shape[1], model))
        X = model.half_step(problem, factors(seed + 1, matrix.shape[0], model))
        eps = np.finfo(model.dtype).eps
        exact = oracle.solve(matrix, problem.Y, **convention_of(model))
        assert X.dtype == model.dtype
        assert not X[np.diff(matrix.indptr) == 0].any()
        # Backward stable: the residual is small even where the system is not well conditioned.
        assert relative_residuals(problem, X).max(initial=0) < 2000 * eps
        spread = np.abs(problem.w).max(initial=1) * np.square(problem.Y).sum()
        condition = 1 + spread / max(float(problem.lam.min(initial=1)), 1e-3)
        limit = 50 * eps * condition * np.abs(exact).max(initial=1)
        assert np.abs(X - exact).max(initial=0) < limit

    hold(half_steps_solve_every_row, rounds, entries(), models(), st.integers(0, 10**6))


@few_or_many(25, 1000)
def test_the_form_of_a_matrix_means_nothing(rounds):
    def every_form_gives_the_same_factors(drawn, model, form, index):
        expected = fitted(model, drawn.canonical, iterations=2)
        X, Y = expected.user_factors.copy(), expected.item_factors.copy()
        given_matrix = drawn.at(form, index=index)
        before = given_matrix.copy()
        again = fitted(model, given_matrix)
        assert (given_matrix != before).nnz == 0
        # Duplicates are added in another order, which may round otherwise.
        eps = np.finfo(model.dtype).eps
        scale = max(np.abs(X @ Y.T).max(), 1e-3)
        difference = again.user_factors @ again.item_factors.T - X @ Y.T
        assert np.abs(difference).max() < 1e5 * eps * scale
        if len(set(zip(drawn.rows, drawn.columns, strict=True))) == len(drawn.rows):
            assert np.array_equal(again.user_factors, X)

    hold(
        every_form_gives_the_same_factors, rounds,
        entries(), models(exact=False), st.sampled_from(FORMS), st.sampled_from([np.int32, np.int64]),
    )  # fmt: skip


@few_or_many(25, 1000)
def test_losses_are_the_oracles_and_fall(rounds):
    def losses_fall_to_what_the_oracle_says(drawn, model):
        matrix = as_csr(drawn.at())
        fitted(model, matrix, iterations=3, calculate_training_loss=True)
        users, items = model.weights(matrix)
        X, Y = model.user_factors, model.item_factors
        expected = oracle.objective(matrix, X, Y, **convention_of(model))
        assert np.isfinite(X).all()
        assert np.isfinite(Y).all()
        np.testing.assert_allclose(objective(users, items, X, Y), expected, rtol=1e-6, atol=1e-7)
        losses = np.array(model.loss_history_)
        slack = 1e3 * np.finfo(model.dtype).eps * (1 + np.abs(model.weights(matrix)[0].constant))
        assert (np.diff(losses) <= slack).all()

    hold(losses_fall_to_what_the_oracle_says, rounds, entries(), models(exact=False))


@few_or_many(20, 1500)
def test_recommendations_are_the_sorted_scores(rounds):
    def recommendations_are_the_best_that_are_left(drawn, model, N, form, banned, seed):
        matrix = drawn.canonical
        model.user_factors, model.item_factors = (factors(seed, n, model) for n in matrix.shape)
        users, items = matrix.shape
        ids = np.random.default_rng(seed).integers(users, size=5)
        asked = drawn.at(form).tocsr()[ids]
        banned = [b % items for b in banned]
        for filters in ({"filter_items": banned}, {"items": banned} if banned else {}):
            found, scores = model.recommend(ids, asked, N=N, **filters)
            assert found.shape == scores.shape == (5, N)
            for row, user in enumerate(ids):
                score = model.user_factors[user] @ model.item_factors.T
                left = set(range(items)) - set(matrix[user].indices)
                if "items" in filters:
                    left &= set(banned)
                else:
                    left -= set(banned)
                count = min(N, len(left))
                kept = found[row, :count]
                assert set(kept) <= left
                assert len(set(kept)) == count
                best = np.sort([score[i] for i in left])[::-1][:count]
                tight = 1e3 * np.finfo(model.dtype).eps
                np.testing.assert_allclose(scores[row, :count], best, rtol=tight, atol=tight)
                np.testing.assert_allclose(score[kept], best, rtol=tight, atol=tight)
                assert (found[row, count:] == -1).all()
                assert np.isneginf(scores[row, count:]).all()
                one, _ = model.recommend(user, asked[[row]], N=N, **filters)
                assert len(one) == count
                np.testing.assert_allclose(score[one], best, rtol=tight, atol=tight)

    hold(
        recommendations_are_the_best_that_are_left, rounds,
        entries(distinct=True), models(exact=False), st.integers(1, 14), st.sampled_from(FORMS),
        st.lists(st.integers(0, 30), max_size=6), st.integers(0, 10**6),
    )  # fmt: skip


@few_or_many(30, 1000)
def test_explanations_add_up(rounds):
    def contributions_add_up_to_the_score(drawn, model, seed):
        matrix = drawn.canonical
        model.user_factors, model.item_factors = (factors(seed, n, model) for n in matrix.shape)
        user, item = seed % matrix.shape[0], seed % matrix.shape[1]
        total, top, weights = model.explain(user, matrix, item, N=100)
        score = model.recalculate_user(user, matrix[user]) @ model.item_factors[item]
        size = max(abs(c) for _, c in top) if top else 0
        loose = 1e-7 if model.dtype == np.float64 else 5e-2
        assert abs(total - score) <= loose * max(1, size, abs(score))
        assert abs(total - sum(c for _, c in top)) <= 1e-9 * max(1, size)
        again = model.explain(user, matrix[user], item, weights, N=100)
        assert again[:2] == (total, top)

    hold(contributions_add_up_to_the_score, rounds,
         entries(), models(exact=False), st.integers(0, 10**6))  # fmt: skip


@few_or_many(25, 1000)
def test_folding_in_is_a_half_step(rounds):
    def partial_fits_store_the_exact_half_step(drawn, model, seed, beyond):
        matrix = drawn.canonical
        users, items = matrix.shape
        model.user_factors, model.item_factors = (factors(seed, n, model) for n in matrix.shape)
        before = model.user_factors.copy()
        row = drawn.at("coo_array", index=np.int64).tocsr()[[seed % users]]
        exact = oracle.solve(as_csr(row), model.item_factors, **convention_of(model))[0]
        to = users + beyond if beyond % 2 else seed % users
        model.partial_fit_users([to], row)
        stored = model.user_factors[to]
        assert np.array_equal(stored, model.recalculate_user([9], row)[0])
        scale = max(1, np.abs(exact).max())
        loose = 1e-6 if model.dtype == np.float64 else 5e-2
        assert np.abs(stored - exact).max() < loose * scale
        others = [u for u in range(users) if u != to]
        assert np.array_equal(model.user_factors[others], before[others])
        assert not model.user_factors[users:to].any()
        model.partial_fit_items([items + beyond], matrix.T.tocsr()[[seed % items]])
        assert model.item_factors.shape == (items + beyond + 1, model.factors)
        assert model.recommend(to, row, N=items)[0].dtype == np.int32

    hold(partial_fits_store_the_exact_half_step, rounds,
         entries(), models(exact=False), st.integers(0, 10**6), st.integers(0, 5))  # fmt: skip


@few_or_many(20, 500)
def test_models_travel(rounds):
    def copies_files_and_other_solvers_hold_the_same_model(drawn, model, other):
        matrix = drawn.canonical
        assert clone(model).get_params() == model.get_params()
        fitted(model, matrix, iterations=1)
        stream = io.BytesIO()
        model.save(stream)
        stream.seek(0)
        copies = [
            pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model),
            model.to_cpu(), type(model).load(stream),
        ]  # fmt: skip
        stream.seek(0)
        copies.append(SOLVERS[other].load(stream))
        for again in copies:
            assert np.array_equal(again.user_factors, model.user_factors)
            assert np.array_equal(again.item_factors, model.item_factors)
            assert again.item_factors is not model.item_factors
            for name in ("factors", "regularization", *CONVENTION, "regularization_exponent"):
                assert getattr(again, name) == getattr(model, name)
            assert np.dtype(again.dtype) == np.dtype(model.dtype)
            assert np.array_equal(again.similar_items(0)[1], model.similar_items(0)[1])

    hold(copies_files_and_other_solvers_hold_the_same_model, rounds,
         entries(), models(exact=False), st.sampled_from(HERE))  # fmt: skip


@few_or_many(25, 1000)
def test_exported_vectors_are_searched_as_the_model_ranks(rounds):
    def cosine_and_distance_rank_as_the_inner_product(model, users, items, seed):
        model.user_factors, model.item_factors = (factors(seed, n, model) for n in (users, items))
        scores = model.user_factors.astype(float) @ model.item_factors.T.astype(float)
        scale = np.abs(scores).max() + 1
        tight = 1e2 * np.finfo(model.dtype).eps
        for metric in ("inner_product", "cosine", "l2"):
            vectors, queries = (a.astype(float) for a in model.export_index(metric))
            if metric == "l2":
                found = ((queries[:, None] - vectors[None]) ** 2).sum(axis=2).argmin(axis=1)
            else:
                found = queries @ vectors.T
                if metric == "cosine":
                    found = found / np.linalg.norm(vectors, axis=1)
                found = found.argmax(axis=1)
            best = scores[np.arange(users), found]
            assert (scores.max(axis=1) - best <= tight * scale**2).all()
        unit, _ = model.export_index(query="similar_items")
        np.testing.assert_allclose(
            np.sort(unit @ unit[0])[::-1], model.similar_items(0, N=items)[1], atol=tight * 10
        )

    hold(cosine_and_distance_rank_as_the_inner_product, rounds,
         models(exact=False), st.integers(1, 8), st.integers(1, 12), st.integers(0, 10**6))  # fmt: skip


@few_or_many(25, 1000)
def test_splits_part_every_matrix_the_same_way_for_the_same_seed(rounds):
    def splits_share_no_entry_and_lose_none(drawn, seed, form, share):
        positive = [abs(v) + 1 for v in drawn.values]
        drawn.values = positive
        matrix = drawn.canonical
        for part in (
            lambda s: random_rows(drawn.at(form), share, random_state=s),
            lambda s: per_user(drawn.at(form), share, random_state=s),
            lambda s: leave_one_out(drawn.at(form), random_state=s),
        ):
            first = part(seed)
            assert abs(first.train + first.test - matrix).max() == 0 if matrix.nnz else True
            assert first.train.multiply(first.test).nnz == 0
            for same in (
                np.random.default_rng(seed), np.int64(seed),
            ):  # fmt: skip
                again = part(same)
                assert (again.train != first.train).nnz == 0
            a, b = (part(np.random.RandomState(seed)) for _ in range(2))
            assert (a.test != b.test).nnz == 0

    hold(splits_share_no_entry_and_lose_none, rounds,
         entries(values=VALUES), st.integers(0, 2**31), st.sampled_from(FORMS),
         st.sampled_from([0.1, 0.5, 0.9]))  # fmt: skip
