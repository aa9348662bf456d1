"""The page on metrics elsewhere: other libraries' numbers are what they compute themselves."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from halfstep.bench.report.definitions import (
    ITEMS,
    LIBRARIES,
    SCORES,
    THEIRS,
    K,
    example,
    matrices,
    ours,
)
from halfstep.bench.report.metrics_page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
# What differs from ours on purpose; everything else is the same number under another name.
DIFFERENT = {
    ("precision", "implicit"), ("ndcg", "LensKit"), ("map", "irspack"), ("map", "trec_eval"),
    ("auc", "implicit"), ("auc", "RecBole"),
}  # fmt: skip


def defined(library):
    """Return the example's numbers of a library by our definitions of them, by its names."""
    users = example()
    return {
        name: definition(users)
        for others in THEIRS.values()
        for other, (name, definition) in others.items()
        if other == library
    }


def test_the_page_is_what_the_command_writes():
    assert PAGE.read_text(encoding="utf-8") == page()


def test_what_is_said_to_be_the_same_is_the_same():
    own, users = ours(), example()
    assert set(THEIRS) <= set(own)
    for metric, others in THEIRS.items():
        assert set(others) <= set(LIBRARIES)
        for library, (_, definition) in others.items():
            equal = definition(users) == pytest.approx(own[metric], abs=1e-12)
            assert equal == ((metric, library) not in DIFFERENT), (metric, library)


def test_implicit_computes_what_its_column_says():
    pytest.importorskip("implicit", reason="implicit is not installed")
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.evaluation import ranking_metrics_at_k

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the threads of BLAS
        model = AlternatingLeastSquares(factors=ITEMS)
    model.user_factors = np.array(SCORES, np.float32)
    model.item_factors = np.eye(ITEMS, dtype=np.float32)
    found = ranking_metrics_at_k(model, *matrices(), K=K, show_progress=False)
    assert found == pytest.approx(defined("implicit"), abs=1e-12)


def test_irspack_computes_what_its_column_says():
    pytest.importorskip("irspack", reason="irspack is not installed")
    from irspack.evaluation import Evaluator

    train, test = matrices()

    class Fitted:
        n_users, n_items, X_train_all = len(SCORES), ITEMS, train

        def get_score_block(self, begin, end):
            return np.array(SCORES[begin:end], float)

    found = Evaluator(test, cutoff=K).get_scores(Fitted(), [K])
    wanted = defined("irspack")
    assert {name: found[f"{name}@{K}"] for name in wanted} == pytest.approx(wanted, abs=1e-12)
    capped = Evaluator(test, cutoff=K, recall_with_cutoff=True).get_scores(Fitted(), [K])
    assert capped[f"recall@{K}"] == pytest.approx(ours()["recall_capped"])


def test_the_definitions_from_documents_by_hand():
    """LensKit weighs ranks 1, 1, 1/log2(3); trec_eval divides by n; RecBole weighs areas by n."""
    log3 = np.log2(3)
    best = 2 + 1 / log3
    lenskit = (1 / 2 + (1 + 1 / log3) / best + 0 + 1 / 2) / 4
    assert defined("LensKit")["NDCG"] == pytest.approx(lenskit)
    trec = (1 / 2 + (1 / 2 + 2 / 3) / 4 + 0 + (1 / 2) / 2) / 4
    assert defined("trec_eval")["map_cut"] == pytest.approx(trec)
    assert defined("trec_eval")["recall"] == pytest.approx((1 / 2 + 2 / 4 + 0 + 1 / 2) / 4)
    # Pairs in order: 5 of 10, 4 of 12, 1 of 6, 7 of 10.
    recbole = (2 * 5 / 10 + 4 * 4 / 12 + 1 / 6 + 2 * 7 / 10) / 9
    assert defined("RecBole")["gauc"] == pytest.approx(recbole)
