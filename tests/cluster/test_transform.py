"""BM25 and TF-IDF over workers: the bits of one process, hubs in pieces, and what new rows need."""

import numpy as np
import pytest
from cases.cluster.fits import in_process, over, plays, same_bits
from scipy import sparse

from halfstep import distributed
from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.facts import Facts
from halfstep.distributed.storage import Folder
from halfstep.distributed.terms import measure_terms, transform_of
from halfstep.errors import InputError, NumericalWarning
from halfstep.solvers import SOLVERS
from halfstep.solvers.fit.transform import measured

pytestmark = pytest.mark.usefixtures("by_blocks")

BM25 = {"transform": "bm25", "bm25_k1": 20.0, "bm25_b": 0.5}


@pytest.mark.parametrize(
    "settings", [BM25, {"transform": "tfidf", "confidence": "linear"}], ids=str
)
def test_bits_are_those_of_one_process(client, tmp_path, settings):
    matrix = plays(entries=20_000)
    matrix.data[::2] += 0.3  # sums that are not exact
    how = {**settings, "factors": 7, "iterations": 2}
    sharded = over(client, matrix, tmp_path, shards=3, calculate_training_loss=True, **how)
    model = in_process(matrix, calculate_training_loss=True, **how)
    plain = in_process(matrix, **{**how, "transform": None, "bm25_k1": 100.0, "bm25_b": 0.8})
    same_bits(sharded, model)
    assert (plain.item_factors != model.item_factors).any()
    np.testing.assert_allclose(sharded.loss_history_, model.loss_history_, rtol=1e-12)
    # The next fit of the data finds what the first one counted.
    again = distributed.fit(
        None, client=client, folder=tmp_path, random_state=0, show_progress=False,
        **{"confidence": "log", "regularization": 20.0, **how},
    )  # fmt: skip
    same_bits(again, model)


def test_new_rows_are_weighed_as_after_a_fit_in_one_process(client, tmp_path):
    matrix = plays(users=300, items=200, entries=3000)
    sharded = over(client, matrix, tmp_path / "fit", factors=4, iterations=1, **BM25)
    model = in_process(matrix, factors=4, iterations=1, **BM25)
    copied = sharded.save(tmp_path / "copy")
    for whole in (sharded.to_model(), copied.to_model()):
        rows = whole.recalculate_user(np.arange(5), matrix[:5])
        np.testing.assert_array_equal(rows, model.recalculate_user(np.arange(5), matrix[:5]))


@pytest.mark.parametrize("solver", ["eigenbasis", "cholesky"])
def test_hubs_in_pieces_have_their_terms(client, tmp_path, solver):
    matrix = plays(users=600, items=500, entries=9000).tolil()
    matrix[3] = np.where(np.arange(500) % 3, 2.5, 0.0)
    matrix[:, 11] = np.where(np.arange(600) % 5, 1.7, 0.0)[:, None]
    matrix = matrix.tocsr()
    folder = Folder(tmp_path)
    facts = blocks_of(matrix, 2, folder.child("data"), hub_entries=300)
    assert [row for row, _ in facts.hubs["user"]] == [3]
    assert [row for row, _ in facts.hubs["item"]] == [11]
    how = {**BM25, "solver": solver, "factors": 5, "iterations": 2}
    sharded = over(client, None, tmp_path, **how)
    whole, model = sharded.to_model(), in_process(matrix, **how)
    np.testing.assert_allclose(whole.item_factors, model.item_factors, rtol=1e-4, atol=1e-6)
    known = measured(matrix, "bm25", 20.0, 0.5)
    found = transform_of(folder, Facts.read(folder.child("data")), whole, whole=True)
    np.testing.assert_array_equal(found.item_lengths, known.item_lengths)
    np.testing.assert_array_equal(found.user_counts, known.user_counts)
    assert found.mean_length == pytest.approx(known.mean_length, rel=1e-15)


def test_terms_of_other_data_are_made_anew_and_lost_ones_named(tmp_path):
    solver = SOLVERS["eigenbasis"](transform="tfidf")
    folder = Folder(tmp_path)
    for seed in (0, 1):
        matrix = plays(users=60, items=50, entries=400, seed=seed)
        facts = blocks_of(matrix, 2, folder.child("data"))
        with pytest.raises(InputError, match=r"terms.json is missing or of other data: fit anew"):
            transform_of(folder, facts, solver)
        measure_terms(None, folder, facts, solver)
        found = transform_of(folder, facts, solver, whole=True)
        np.testing.assert_array_equal(found.user_counts, np.diff(matrix.indptr))
    folder.remove("data/terms/user-00001.npy")
    with pytest.raises(InputError, match=r"user-00001.npy is missing or damaged: fit anew"):
        transform_of(folder, facts, solver, whole=True)


def test_users_who_have_everything_and_sums_that_overflow_are_said(tmp_path):
    solver, folder = SOLVERS["eigenbasis"](transform="bm25"), Folder(tmp_path)
    matrix = sparse.csr_matrix(np.array([[1.0, 2, 3], [1, 0, 0], [0, 1, 0]]))
    facts = blocks_of(matrix, 1, folder.child("data"))
    for _ in range(2):  # the second time from what was counted
        with pytest.warns(NumericalWarning, match="all items but at most one: 1 of 3 users"):
            measure_terms(None, folder, facts, solver)
    matrix.data[:2] = 1e308
    matrix.data[1] = 1.7e308
    facts = blocks_of(matrix, 1, folder.child("data"))
    with pytest.raises(InputError, match="needs values whose sum is finite"):
        measure_terms(None, folder, facts, solver)
