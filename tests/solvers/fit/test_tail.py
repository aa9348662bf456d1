"""The hint about values with a heavy tail: when it is given, and that its reason holds."""

import logging

import numpy as np
import pytest
from scipy import sparse

from halfstep import SOLVERS
from halfstep.datasets import load
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.protocols.split import per_user
from halfstep.solvers.fit.tail import Tail, tail_of


def spread(largest, entries=1000):
    """Return values of median 1 of which one in fifty is `largest`."""
    values = np.ones(entries)
    values[::50] = largest
    return values


def test_heavy_is_more_than_twenty_times_the_median():
    assert tail_of(spread(20)) == Tail(1.0, 20.0)
    assert not tail_of(spread(20)).heavy
    assert tail_of(spread(20.5)).heavy
    assert tail_of(-spread(30).astype(np.float32)) == Tail(1.0, 30.0)
    with_zeros = np.concatenate([spread(30), np.zeros(5000)])
    assert tail_of(with_zeros) == Tail(1.0, 30.0)
    assert not tail_of(spread(10**6, entries=99)).heavy
    assert not tail_of(np.ones(500)).heavy


def test_of_many_values_a_million_are_looked_at():
    values = np.resize(spread(30, 1050), 3 << 20)
    assert tail_of(values) == Tail(1.0, 30.0)


@pytest.mark.filterwarnings("ignore:the weights are too large:halfstep.NumericalWarning")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, True),
        ({"confidence": "linear"}, True),
        ({"confidence": "log"}, False),
        ({"confidence": "binary"}, False),
        ({"confidence": "explicit"}, False),
        # K1 of 1 leaves no value above 2.
        ({"transform": "bm25", "bm25_k1": 1.0}, False),
    ],
)
def test_the_log_says_so_only_where_the_weights_have_the_tail(settings, said, caplog):
    rng = np.random.default_rng(0)
    cells = rng.choice(60 * 80, 1000, replace=False)
    matrix = sparse.csr_matrix((spread(500), np.divmod(cells, 80)), shape=(60, 80))
    model = SOLVERS["cholesky"](3, iterations=1, random_state=0, **settings)
    with caplog.at_level(logging.INFO, "halfstep"):
        model.fit(matrix, show_progress=False)
    lines = [line for line in caplog.messages if "heavy tail" in line]
    assert len(lines) == said
    if said:
        assert "99th percentile 500, median 1" in lines[0]
        assert "confidence='log'" in lines[0]


def test_the_logarithm_helps_where_the_hint_says_so():
    split = per_user(load("plays-small").interactions, 0.2, random_state=0)
    assert tail_of(split.train.data).heavy
    found = {}
    for confidence in ("implicit", "log"):
        model = SOLVERS["eigenbasis"](16, iterations=5, random_state=0, confidence=confidence)
        model.fit(split.train, show_progress=False)
        judged = evaluate(*model._fitted(), split.train, split.test, ks=(10,))
        found[confidence] = np.nanmean(judged.per_user["ndcg@10"])
    assert found["log"] > 1.11 * found["implicit"]
