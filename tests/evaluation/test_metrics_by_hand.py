"""Each metric of full ranking on lists short enough to work out on paper."""

import numpy as np
import pytest
from scipy import sparse

from halfstep.evaluation.metrics.held_out import evaluate


def by_scores(scores, train, test, **options):
    """Evaluate given scores: they are the item factors of users that are unit vectors."""
    scores = np.asarray(scores, dtype=np.float64)
    train, test = (sparse.csr_matrix(M) for M in (train, test))
    return evaluate(np.eye(len(scores)), scores.T.copy(), train, test, **options)


def test_one_list_by_hand():
    # Items by score: 5 (seen), 0, 1, 2, 3, 4. Without item 5 the held-out 1 and 4 are at ranks 2, 5.
    train = np.array([[0, 0, 0, 0, 0, 1]])
    test = np.array([[0, 1, 0, 0, 1, 0]])
    result = by_scores([[50, 40, 30, 20, 10, 60]], train, test, ks=(1, 2, 5, 9))
    expected = {
        "precision@1": 0,
        "precision@2": 1 / 2,
        "precision@5": 2 / 5,
        "precision@9": 2 / 9,
        "recall@1": 0,
        "recall@2": 1 / 2,
        "recall@5": 2 / 2,
        "recall@9": 2 / 2,
        "recall_capped@1": 0,
        "recall_capped@2": 1 / 2,
        "recall_capped@5": 2 / 2,
        "recall_capped@9": 2 / 2,
        "ndcg@1": 0,
        "ndcg@2": (1 / np.log2(3)) / (1 + 1 / np.log2(3)),
        "ndcg@5": (1 / np.log2(3) + 1 / np.log2(6)) / (1 + 1 / np.log2(3)),
        "ndcg@9": (1 / np.log2(3) + 1 / np.log2(6)) / (1 + 1 / np.log2(3)),
        "map@1": 0,
        "map@2": (1 / 2) / 2,
        "map@5": (1 / 2 + 2 / 5) / 2,
        "map@9": (1 / 2 + 2 / 5) / 2,
        "hit_rate@1": 0,
        "hit_rate@2": 1,
        "hit_rate@5": 1,
        "hit_rate@9": 1,
        # Negatives 0, 2, 3 (scores 50, 30, 20): item 1 (40) beats two of them, item 4 (10) none.
        "auc": (2 + 0) / (2 * 3),
    }
    assert result.means() == pytest.approx(expected, rel=1e-15)
    assert result.coverage == {1: 1 / 6, 2: 2 / 6, 5: 5 / 6, 9: 5 / 6}


def test_recall_and_capped_recall_differ_where_more_is_held_out_than_listed():
    # Held out 0, 1, 2; the list of two is 0, 3, whatever the order of 1 and 2.
    result = by_scores([[9, 1, 1, 8]], np.zeros((1, 4)), np.array([[1, 1, 1, 0]]), ks=(2,))
    assert result.means() == pytest.approx(
        {
            "precision@2": 1 / 2,
            "recall@2": 1 / 3,
            "recall_capped@2": 1 / 2,
            "ndcg@2": 1 / (1 + 1 / np.log2(3)),
            "map@2": (1 / 1) / 2,
            "hit_rate@2": 1,
            "auc": (1 + 0 + 0) / 3,
        },
        rel=1e-15,
    )


def test_equal_scores_count_in_expectation():
    train, test = np.zeros((2, 5)), np.array([[0, 1, 0, 0, 0], [0, 0, 0, 1, 0]])
    result = by_scores([[7] * 5, [7, 7, 7, 7, 8]], train, test, ks=(2, 4))
    # Two of five equal places; then item 4, and one of the four others.
    np.testing.assert_allclose(result.per_user["hit_rate@2"], [2 / 5, 1 / 4], rtol=1e-15)
    np.testing.assert_allclose(result.per_user["hit_rate@4"], [4 / 5, 3 / 4], rtol=1e-15)
    np.testing.assert_allclose(
        result.per_user["ndcg@2"], [(1 + 1 / np.log2(3)) / 5, 1 / np.log2(3) / 4], rtol=1e-15
    )
    np.testing.assert_array_equal(result.per_user["auc"], [0.5, (3 * 0.5 + 0) / 4])


def test_users_without_held_out_items_are_left_out_and_means_weigh_users_equally():
    train = np.zeros((3, 4))
    test = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]])
    result = by_scores([[4, 3, 2, 1], [4, 3, 2, 1], [1, 2, 3, 0]], train, test, ks=(1,))
    np.testing.assert_array_equal(result.users, [0, 2])
    np.testing.assert_array_equal(result.per_user["precision@1"], [1, 0])
    assert result.means()["precision@1"] == 0.5


def test_user_without_negatives_has_the_auc_of_no_information():
    train, test = np.array([[1, 0, 0]]), np.array([[0, 1, 1]])
    assert by_scores([[1, 2, 3]], train, test).means()["auc"] == 0.5
