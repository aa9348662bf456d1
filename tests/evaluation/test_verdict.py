"""Verdicts: right on made-up differences, and never equivalent for want of data."""

import numpy as np
import pytest

from halfstep import InputError
from halfstep.evaluation.verdict import (
    bootstrap_interval,
    describe,
    objective_word,
    overall,
    paired_verdict,
    percent,
)


def metric(users=400, seed=0):
    return np.random.default_rng(seed).beta(1, 4, users)


@pytest.mark.parametrize(
    ("shift", "noise", "expected"),
    [
        (0.0, 0.01, "equivalent"),
        (0.004, 0.01, "equivalent"),
        (0.05, 0.01, "better"),
        (-0.05, 0.01, "worse"),
        (0.0, 0.5, "undecided"),
    ],
)
def test_words(shift, noise, expected):
    b = metric()
    a = b + shift + noise * np.random.default_rng(1).normal(size=len(b))
    verdict = paired_verdict(a, b, margin=0.01)
    assert verdict.verdict == expected
    assert verdict.low <= verdict.difference <= verdict.high
    assert verdict.difference == pytest.approx(np.mean(a - b))
    assert verdict.users == 400


def test_the_same_model_is_equivalent_and_too_few_users_never_are():
    a = metric()
    assert paired_verdict(a, a, margin=1e-9).verdict == "equivalent"
    few = paired_verdict(a[:19], a[:19], margin=1.0)
    assert few.verdict == "undecided"
    assert np.isinf(few.high)
    assert paired_verdict(a[:0], a[:0], margin=1.0).verdict == "undecided"


def test_pairing_removes_the_spread_between_users():
    a = metric()
    rng = np.random.default_rng(2)
    paired = paired_verdict(a + 1e-3 * rng.normal(size=400), a, margin=0.005)
    shuffled = paired_verdict(rng.permutation(a), a, margin=0.005)
    assert paired.verdict == "equivalent"
    assert shuffled.verdict == "undecided"


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(
            rng.exponential(size=80), resamples=300, confidence=0.9, random_state=seed
        )
        covered += low <= 1 <= high
    assert 165 <= covered <= 195


def test_arguments_matter():
    values = metric()
    base = bootstrap_interval(values)
    assert bootstrap_interval(values) == base
    assert bootstrap_interval(values, random_state=1) != base
    assert bootstrap_interval(values, resamples=500) != base
    wide, narrow = (
        bootstrap_interval(values, confidence=0.99),
        bootstrap_interval(values, confidence=0.8),
    )
    assert wide[0] < base[0] < narrow[0] < narrow[1] < base[1] < wide[1]


def test_bad_input():
    a = metric()
    with pytest.raises(InputError, match="a and b must hold the same users"):
        paired_verdict(a, a[:-1], margin=0.1)
    with pytest.raises(InputError, match="margin must be positive, got 0"):
        paired_verdict(a, a, margin=0)
    broken = a.copy()
    broken[3] = np.nan
    with pytest.raises(InputError, match="must not hold NaN"):
        paired_verdict(broken, a, margin=0.1)


def test_overall_is_the_worst_word():
    assert overall(["equivalent", "equivalent"]) == "equivalent"
    assert overall(["equivalent", "better"]) == "better"
    assert overall(["better", "undecided", "equivalent"]) == "undecided"
    assert overall(["undecided", "worse", "better"]) == "worse"


def test_description_names_what_fails_what_is_open_and_what_is_better():
    worse = {"objective": ("worse", 0.13), "NDCG@10": ("worse", -0.32), "AUC": ("better", 0.01)}
    assert describe(worse) == "worse: objective +13 %, NDCG@10 −32 %; better: AUC +1.0 %"
    still = {"objective": ("equivalent", -0.05), "NDCG@10": ("better", 0.021)}
    assert describe(still) == "better: NDCG@10 +2.1 %"
    mixed = {**still, "AUC": ("undecided", -0.004)}
    assert describe(mixed) == "undecided: AUC −0.4 %; better: NDCG@10 +2.1 %"
    mixed["recall@10"] = "worse", -0.02
    said = "worse: recall@10 −2.0 %; undecided: AUC −0.4 %; better: NDCG@10 +2.1 %"
    assert describe(mixed) == said
    assert describe({"objective": ("equivalent", 0.004)}) == "equivalent"


@pytest.mark.parametrize("unknown", [None, np.nan, np.inf])
def test_a_difference_that_is_no_number_is_left_out(unknown):
    parts = {"objective": ("undecided", unknown), "AUC": ("undecided", 0.02)}
    assert describe(parts) == "undecided: objective, AUC +2.0 %"


def test_nothing_is_not_described():
    with pytest.raises(InputError, match="at least one metric"):
        describe({})


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (5.36, "+536 %"),
        (12.5, "+1,250 %"),
        (-0.0994, "−9.9 %"),
        (-0.0996, "−10 %"),
        (0.00094, "+0.09 %"),
        (0.000996, "+0.1 %"),
        (1e-6, "±0 %"),
        (-0.0, "±0 %"),
    ],
)
def test_percent(difference, said):
    assert percent(difference) == said


def test_an_objective_can_fail_a_fit_and_not_speak_for_it():
    assert objective_word(0.0101, 0.01) == "worse"
    assert objective_word(0.01, 0.01) == objective_word(-0.5, 0.01) == "equivalent"
    for gap in (None, np.nan, np.inf):
        assert objective_word(gap, 0.01) == "undecided"
