"""BM25 and TF-IDF before the convention: in a fit, in a fold-in, in a file, and as functions."""

import copy

import numpy as np
import oracle
import pytest
from cases.solvers import CONVENTIONS, awkward
from scipy import sparse

from halfstep import SOLVERS, InputError, NumericalWarning, Solver
from halfstep.errors import NotFinite
from halfstep.solvers.fit import transform
from halfstep.solvers.fit.memory import size_of
from halfstep.solvers.fit.transform import Transform
from halfstep.solvers.inputs import as_csr

TRANSFORMS = {
    "bm25": {"transform": "bm25"},
    "sharp": {"transform": "bm25", "bm25_k1": 1.2, "bm25_b": 1.0},
    "tfidf": {"transform": "tfidf"},
}
WEIGHED = ("implicit", "linear", "log")


@pytest.fixture(params=TRANSFORMS)
def chosen(request):
    return TRANSFORMS[request.param]


def dense(matrix, settings):
    """Return the oracle's transformed values, stored where the matrix stores an entry."""
    k1, b = settings.get("bm25_k1", 100.0), settings.get("bm25_b", 0.8)
    values = oracle.transformed(matrix, settings["transform"], k1, b)
    result = matrix.astype(np.float64).tocoo()
    result.data = values[result.row, result.col]
    return result.tocsr()


def fitted(matrix, name="eigenbasis", iterations=2, **settings):
    exact = {"exact": True, "relaxation": 1.0} if name == "eigenbasis" else {}
    model = SOLVERS[name](
        7, dtype=np.float64, iterations=iterations, random_state=0, **exact, **settings
    )
    return model.fit(matrix, show_progress=False)


@pytest.mark.parametrize("name", WEIGHED)
@pytest.mark.parametrize("piece", [1 << 18, 37])
def test_the_weights_are_those_of_transformed_values(chosen, name, piece, monkeypatch):
    monkeypatch.setattr(transform, "_PIECE", piece)
    monkeypatch.setattr(transform, "_LARGE_PIECE", piece)
    matrix, settings = awkward(), CONVENTIONS[name]
    before = matrix.copy()
    values = dense(matrix, chosen)
    expected = SOLVERS["cholesky"](dtype=np.float64, **settings).weights(values)
    for threads in (1, 3):
        model = SOLVERS["cholesky"](dtype=np.float64, num_threads=threads, **settings, **chosen)
        for found, wanted in zip(model.weights(matrix), expected, strict=True):
            np.testing.assert_allclose(found.w, wanted.w, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(found.t, wanted.t, rtol=1e-12)
            assert found.constant == pytest.approx(wanted.constant, rel=1e-12)
    assert (matrix != before).nnz == 0


@pytest.mark.parametrize("name", WEIGHED)
def test_a_row_of_the_fit_folded_in_is_the_fits_own_half_step(chosen, name):
    matrix, settings = awkward(), {**CONVENTIONS[name], "regularization": 0.3}
    values = dense(matrix, chosen)
    model = fitted(matrix, **settings, **chosen)
    ids = np.arange(matrix.shape[1])
    items = model.recalculate_item(ids, matrix.T.tocsr())
    np.testing.assert_allclose(items, model.item_factors, rtol=1e-9, atol=1e-12)
    for one in (9, 30):
        alone = model.recalculate_item(one, matrix.T.tocsr()[one])
        np.testing.assert_allclose(alone, model.item_factors[one], rtol=1e-9, atol=1e-12)
    expected = oracle.solve(values, model.item_factors, **settings)
    users = model.recalculate_user(np.arange(matrix.shape[0]), matrix)
    np.testing.assert_allclose(users, expected, rtol=1e-8, atol=1e-12)
    # By itself, and without the columns that the row does not have.
    short = matrix[9, : matrix[9].indices.max() + 1]
    np.testing.assert_allclose(model.recalculate_user(9, short), expected[9], rtol=1e-8, atol=1e-12)
    plain = SOLVERS["cholesky"](7, dtype=np.float64, **settings)
    plain.user_factors, plain.item_factors = model.user_factors, model.item_factors
    assert abs(plain.recalculate_user(9, short) - expected[9]).max() > 1e-3


def test_every_parameter_changes_the_weights():
    matrix = awkward(negative=False)
    found = [
        SOLVERS["cholesky"](**settings).weights(matrix)[0].w
        for settings in (
            {}, {"transform": "tfidf"}, {"transform": "bm25"},
            {"transform": "bm25", "bm25_k1": 10}, {"transform": "bm25", "bm25_b": 0.5},
        )
    ]  # fmt: skip
    for place, w in enumerate(found):
        assert all(abs(w - other).max() > 0.05 for other in found[:place])


def test_queries_of_a_row_agree(chosen):
    matrix = awkward()
    model = fitted(matrix, confidence="log", **chosen)
    scores = model.recalculate_user(9, matrix[9]) @ model.item_factors.T
    ids, found = model.recommend(9, matrix[9], N=5, recalculate_user=True)
    np.testing.assert_allclose(found, scores[ids], rtol=1e-10)
    total, parts, _ = model.explain(9, matrix, ids[0])
    assert total == pytest.approx(scores[ids[0]], rel=1e-10)
    assert parts
    again, _ = model.similar_items(12, N=5, recalculate_item=True, item_users=matrix.T.tocsr()[12])
    np.testing.assert_array_equal(again, model.similar_items(12, N=5)[0])


def test_stored_rows_count_for_the_rows_after_them(chosen):
    matrix = awkward(negative=False)
    model = fitted(matrix, **chosen)
    before = model._weigh(matrix[9]).values
    new_item = sparse.csr_matrix(np.linspace(0, 4, matrix.shape[0])[None])
    model.partial_fit_items([70], new_item)
    np.testing.assert_array_equal(model._weigh(matrix[9]).values, before)
    row = sparse.hstack([matrix[9], sparse.csr_matrix((1, 9)), [[3.0]]]).tocsr()
    known = model._transform
    assert known.items == matrix.shape[1]
    assert known.item_lengths[70] == pytest.approx(new_item.sum())
    assert (known.item_lengths[61:70] == 0).all()
    size = model._weigh(row).values[-1]
    idf = np.log(matrix.shape[1] / (1 + row.nnz))
    if chosen["transform"] == "tfidf":
        assert size == pytest.approx(np.sqrt(3) * idf)
    else:
        norm = 1 - known.b + known.b * new_item.sum() / (matrix.sum() / matrix.shape[1])
        assert size == pytest.approx(3 * (known.k1 + 1) / (known.k1 * norm + 3) * idf)
    model.partial_fit_users([50], row)
    assert model._transform.user_counts[50] == row.nnz
    item = sparse.csr_matrix(([2.0], [50], [0, 1]), shape=(1, 51))
    twice = sparse.csr_matrix(([2.0], [9], [0, 1]), shape=(1, 51))
    fewer = np.log(61 / (1 + row.nnz)) / np.log(61 / row.nnz)
    found, other = (model._weigh(one, "item").values[0] for one in (item, twice))
    assert found == pytest.approx(other * fewer)


def test_it_is_saved_loaded_copied_and_moved(chosen, tmp_path):
    matrix = awkward(negative=False)
    model = fitted(matrix, **chosen)
    model.save(tmp_path / "model")
    loaded = Solver.load(tmp_path / "model.npz")
    assert {k: loaded.get_params()[k] for k in chosen} == chosen
    for other in (loaded, copy.deepcopy(model), copy.copy(model), model.to_cpu()):
        np.testing.assert_array_equal(
            other.recalculate_user(9, matrix[9]), model.recalculate_user(9, matrix[9])
        )
    with np.load(tmp_path / "model.npz") as archive:
        members = dict(archive)
    for name, bad in (("name", "bm26"), ("item_lengths", [[1.0]]), ("user_counts", [-1])):
        np.savez(tmp_path / "bad.npz", **{**members, f"transform_{name}": np.array(bad)})
        with pytest.raises(InputError, match="damaged"):
            Solver.load(tmp_path / "bad.npz")


def test_new_rows_are_weighed_as_the_fit_was_whatever_is_set_afterwards():
    matrix = awkward(negative=False)
    model = fitted(matrix, transform="bm25")
    before = model.recalculate_user(9, matrix[9])
    model.set_params(transform="tfidf")
    np.testing.assert_array_equal(model.recalculate_user(9, matrix[9]), before)
    with pytest.raises(NotFinite):
        model.fit(matrix * 1e-300, callback=lambda *_: model.item_factors.fill(np.nan))
    model.set_params(transform=None).fit(matrix, show_progress=False)
    plain = fitted(matrix)
    np.testing.assert_array_equal(
        model.recalculate_user(9, matrix[9]), plain.recalculate_user(9, matrix[9])
    )


def test_a_fit_that_fails_keeps_the_transform_of_the_factors(monkeypatch):
    matrix = awkward(negative=False)
    model = fitted(matrix, "cholesky", transform="bm25")
    known = model._transform
    monkeypatch.setattr(type(model), "half_step", lambda *_: np.full((43, 7), np.nan))
    with pytest.raises(NotFinite):
        model.fit(matrix * 2, show_progress=False)
    assert model._transform is known


def test_a_checkpoint_is_of_one_transform(tmp_path):
    matrix, path = awkward(negative=False), tmp_path / "state"
    model = SOLVERS["cholesky"](3, iterations=1, random_state=0, transform="tfidf")
    model.fit(matrix, False, checkpoint=path)
    again = SOLVERS["cholesky"](3, iterations=2, random_state=0, transform="tfidf")
    again.fit(matrix, False, checkpoint=path, resume=True)
    whole = SOLVERS["cholesky"](3, iterations=2, random_state=0, transform="tfidf")
    np.testing.assert_array_equal(again.item_factors, whole.fit(matrix, False).item_factors)
    assert again.recalculate_user(9, matrix[9]).any()
    with pytest.raises(InputError, match="transform 'tfidf' there, 'bm25' here"):
        again.set_params(transform="bm25").fit(matrix, False, checkpoint=path, resume=True)


def test_a_user_who_has_all_items_weighs_nothing_and_is_named():
    matrix = awkward()
    full = matrix.tolil()
    full[4] = -1.0
    full[6, :60] = 2.0
    with pytest.warns(NumericalWarning, match=r"'bm25' gives no weight .* 2 of 43 users.* row 4"):
        model = fitted(full.tocsr(), transform="bm25")
    assert not model.user_factors[[4, 6]].any()
    assert (model.weights(as_csr(full))[0].t >= 0).all()


def test_zeros_and_signs(chosen):
    matrix = awkward()
    with_zeros = matrix.copy()
    with_zeros.data = with_zeros.data.copy()
    with_zeros.data[::5] = 0
    without = with_zeros.copy()
    without.eliminate_zeros()
    model = SOLVERS["cholesky"](confidence="linear", **chosen)
    kept, dropped = (model.weights(as_csr(m))[0] for m in (with_zeros, without))
    assert (kept.w[::5] == 0).all()
    np.testing.assert_array_equal(kept.w[with_zeros.data != 0], dropped.w)
    assert ((kept.values < 0) == (with_zeros.data < 0)).all()
    nothing = sparse.csr_matrix(([0.0, 0.0], ([0, 1], [1, 0])), shape=(2, 3))
    assert not SOLVERS["cholesky"](**chosen).weights(nothing)[0].values.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transform": "bm26"}, "transform must be None, bm25 or tfidf, got 'bm26'"),
        ({"transform": "tfidf", "confidence": "binary"}, "'tfidf' belongs to confidence implicit"),
        ({"transform": "bm25", "confidence": "explicit"}, "log, got 'explicit'"),
        ({"bm25_k1": 1.2}, "bm25_k1 belongs to transform 'bm25' alone, got 1.2 with None"),
        ({"transform": "tfidf", "bm25_b": 0.1}, "bm25_b belongs to transform 'bm25' alone"),
        ({"transform": "bm25", "bm25_b": 1.1}, "bm25_b must be from 0 to 1, got 1.1"),
        ({"transform": "bm25", "bm25_k1": -1}, "bm25_k1 must be at least 0"),
        ({"transform": "bm25", "bm25_k1": "x"}, "bm25_k1 must be a number, got 'x'"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(InputError, match=message):
        SOLVERS["cholesky"](**settings)


def test_what_no_fit_has_measured_is_refused():
    matrix = awkward(negative=False)
    model = SOLVERS["cholesky"](3, transform="bm25")
    model.user_factors, model.item_factors = np.ones((43, 3)), np.ones((61, 3))
    with pytest.raises(InputError, match="come from no fit with it: fit the model"):
        model.recalculate_user(0, matrix[9])
    model = fitted(matrix, transform="bm25")
    model.item_factors = np.ones((70, 7))
    with pytest.raises(InputError, match="knows 61 items of its fit, got rows of 70: fit again"):
        model.recalculate_user(0, sparse.csr_matrix((1, 70)))
    with pytest.raises(InputError, match="to_implicit needs a model without transform"):
        model.to_implicit()


def test_values_whose_sum_overflows_are_refused():
    matrix = sparse.csr_matrix(np.full((3, 4), 1.5e308))
    with pytest.raises(
        InputError, match=r"needs values whose sum is finite, got values up to 1\.5e"
    ):
        SOLVERS["cholesky"](3, transform="bm25", dtype=np.float64).fit(matrix, show_progress=False)
    matrix = sparse.csr_matrix([[3.0, 0, 0, 0, 0]])
    with pytest.raises(InputError, match=r"of a stored value must fit float32, got 3\.0"):
        Transform("bm25", 1e300, 1.0, 9, 1e300, np.zeros(5), np.ones(1, int)).apply(
            matrix, "user", np.float32
        )


def test_the_memory_of_a_fit_counts_the_transformed_values():
    matrix = as_csr(awkward().astype(np.float32))
    bytes_of = {
        (name, chosen): size_of(
            SOLVERS["cholesky"](confidence=name, transform=chosen), matrix
        ).own_bytes
        for name in ("linear", "log")
        for chosen in (None, "bm25")
    }
    assert bytes_of == {
        ("linear", None): 0, ("linear", "bm25"): 4, ("log", None): 4, ("log", "bm25"): 8,
    }  # fmt: skip


def test_peers_get_the_transformed_values(chosen):
    if reason := SOLVERS["implicit_cpu"].unavailable():
        pytest.skip(reason)
    matrix = awkward(negative=False)
    settings = {"confidence": "log", "iterations": 2, "random_state": 0, "num_threads": 1, **chosen}
    model = SOLVERS["implicit_cpu"](7, regularization=0.3, use_cg=False, **settings)
    ours = SOLVERS["cholesky"](7, regularization=0.3, **settings)
    for fit in (model, ours):
        fit.fit(matrix, show_progress=False)
    np.testing.assert_allclose(model.item_factors, ours.item_factors, rtol=2e-3, atol=2e-4)
