"""The compiled selection and the AUC's count, each against a sort, on spreads made to break them."""

import numpy as np
import pytest

from halfstep.kernels.cpu import ranking_auc, ranking_select


@pytest.mark.parametrize("positives", [1, 8, 9, 700])
@pytest.mark.parametrize("spread", ["even", "equal", "one far off", "tiny", "huge"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_auc_count_is_exact_whatever_the_spread_of_scores(positives, spread, dtype):
    rng = np.random.default_rng(positives)
    row = np.round(rng.standard_normal(3001) * 100).astype(dtype)
    if spread == "equal":
        row[:2000] = 3
    elif spread == "one far off":
        row[0] = 1e12
    elif spread == "tiny":
        row *= dtype(np.finfo(dtype).tiny)
    elif spread == "huge":
        row = row / np.abs(row).max() * np.finfo(dtype).max
    row[[2500, 3000]] = -np.inf
    chosen = np.sort(row[:positives])
    expected = np.searchsorted(chosen, row).sum() + np.searchsorted(chosen, row, "right").sum()
    assert ranking_auc.twice_the_positives_below(row, chosen, False) == expected
    assert ranking_auc.compare_directly(row, chosen) == expected
    row = np.append(row, np.full(-row.size % 16, -np.inf, dtype))
    assert ranking_auc.twice_the_positives_below(row, chosen, True) == expected


@pytest.mark.parametrize("order", ["rising", "falling", "equal", "random"])
@pytest.mark.parametrize("k", [1, 2, 63, 1000])
def test_selection_agrees_with_a_sort(order, k):
    rng = np.random.default_rng(k)
    row = rng.integers(0, 50, 777).astype(np.float32)
    row = {"rising": np.sort(row), "falling": np.sort(row)[::-1].copy(), "equal": row * 0}.get(
        order, row
    )
    row[::7] = -np.inf
    scores, items = np.empty(k, np.float32), np.empty(k, np.int32)
    ranking_select.select_rows(row[None], scores[None], items[None])
    expected = np.lexsort((np.arange(777), -row))[: min(k, np.isfinite(row).sum())]
    np.testing.assert_array_equal(items[: expected.size], expected)
    np.testing.assert_array_equal(scores[: expected.size], row[expected])
    assert (items[expected.size :] == -1).all()
