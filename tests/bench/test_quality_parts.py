"""The parts of the suite `quality`: what is planned, how fits are followed, pooled and judged."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from halfstep import SOLVERS
from halfstep.bench.inputs import split_data
from halfstep.bench.method.contestants import contestant
from halfstep.bench.method.spread import Interval, Spread
from halfstep.bench.quality import cell as quality_cell
from halfstep.bench.quality.fits import Audit, Fit, followed, plain
from halfstep.bench.quality.objective import Float64Objective
from halfstep.bench.quality.plan import FACTORS, WEIGHTINGS, Weighting, planned, shares, source
from halfstep.bench.quality.record import QualityCell, Standing
from halfstep.bench.quality.table import sooner
from halfstep.bench.quality.verdict import bars, overfitting, pool, summed
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError
from halfstep.evaluation.metrics.held_out import Evaluation
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.objective import objective

EXACT, AUTO, RELAXED = quality_cell.OURS


def test_the_matrix_is_the_one_that_was_agreed():
    names = [(w.data, w.name) for w in WEIGHTINGS]
    assert len(set(names)) == len(names) == 13
    hetrec = [name for data, name in names if data.startswith("hetrec")]
    assert hetrec == ["raw alpha 1", "raw alpha 10", "raw alpha 40", "log", "linear"]
    by_name = dict(zip(names, WEIGHTINGS, strict=True))
    assert by_name["hetrec2011-lastfm-2k", "raw alpha 40"].convention == {
        "confidence": "implicit",
        "regularization": 0.01,
        "alpha": 40,
    }
    assert by_name["audioscrobbler_small", "raw"].objective == 1.05
    assert by_name["audioscrobbler_small", "raw"].fit_time == 1.0
    assert by_name["gowalla", "log"].sooner_at == (64, 128)
    for weighting in WEIGHTINGS:
        SOLVERS["eigenbasis"](**weighting.convention)
    assert len(planned(BenchSettings(suite="quality"))) == 13 * len(FACTORS)


def test_cells_are_chosen_by_text_pattern_data_and_size():
    def names(**given):
        return [cell.name for cell in planned(BenchSettings(suite="quality", **given))]

    assert names(cells="gowalla, log, f = 64") == ["gowalla, log, f = 64"]
    assert len(names(cells="*raw alpha*f = 128")) == 3
    assert names(data="gowalla", factors=(9,)) == ["gowalla, log, f = 9"]
    with pytest.raises(InputError, match="cells must match one of the suite's, got 'nothing'"):
        names(cells="nothing")


def test_the_time_is_shared_by_what_is_left():
    cells = planned(BenchSettings(suite="quality"))
    parts = [part for _, part in shares(cells)]
    assert parts[-1] == 1
    left, spent = 1.0, []
    for part in parts:
        spent.append(left * part)
        left -= spent[-1]
    assert sum(spent) == pytest.approx(1)
    assert spent[-1] / spent[0] == pytest.approx(cells[-1].seconds / cells[0].seconds)


def test_real_data_are_found_or_left_out_with_a_reason(tmp_path, monkeypatch):
    (tmp_path / "gowalla").mkdir()
    monkeypatch.setenv("HALFSTEP_DATA", str(tmp_path))
    chosen = BenchSettings(suite="quality")
    assert source("gowalla", chosen) == (str(tmp_path / "gowalla"), None)
    assert source("music-small", chosen) == ("music-small", None)
    assert source("ncf-ml-1m", chosen)[1] == "no folder ncf-ml-1m among the real data"
    other = dataclasses.replace(chosen, data_folder=tmp_path / "none")
    assert source("gowalla", other)[1] == "no folder gowalla among the real data"


@pytest.mark.parametrize("confidence", ["implicit", "log", "binary", "explicit"])
def test_the_compiled_objective_is_the_objective(two_tastes, confidence):
    data = split_data(two_tastes, BenchSettings())
    model = SOLVERS["cholesky"](
        confidence=confidence, regularization=0.3, regularization_exponent=0.5, dtype=np.float64
    )
    sides = model.weights(data.train)
    X, Y = starting_factors(None, data.train.shape, 7, np.float32, 0)
    found = Float64Objective(*sides)(X, Y)
    assert found == pytest.approx(objective(*sides, X, Y), rel=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_target_is_found_where_it_is_first_reached(two_tastes, share):
    data = split_data(two_tastes, BenchSettings())
    arguments = {
        "factors": 7,
        "iterations": 11,
        "num_threads": 1,
        "confidence": "log",
        "regularization": 2.0,
        "dtype": np.float32,
    }
    who = contestant("cholesky", arguments)
    start = starting_factors(None, data.train.shape, 7, np.float32, 0)
    audit = Audit(who, data)
    _, path = followed(who, data, start, audit)
    way = [audit.objective(factors) for factors in path.factors]
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(way))
    target = way[-1] + share * (way[0] - way[-1])
    expected = next(i + 1 for i, v in enumerate(way) if v <= target * 1.01)
    fit, _ = followed(who, data, start, audit, target=target)
    assert fit.iterations_to_target == expected
    far, _ = followed(who, data, start, audit, target=way[-1] / 2, most=13)
    assert (far.iterations_to_target, len(far.seconds)) == (None, 13)
    assert far.objective == pytest.approx(way[-1])
    alike = plain(who, data, start, audit, early=True)
    assert alike.objective == far.objective
    assert alike.early.means() != alike.evaluation.means()


def evaluation(users, ndcg):
    values = np.asarray(ndcg, float)
    return Evaluation(np.asarray(users), {"ndcg@10": values, "auc": values / 2 + 0.5}, {})


def fit_with(users, ndcg, objective=1.0, early=None):
    fit = Fit(objective=objective, evaluation=evaluation(users, ndcg))
    fit.early = None if early is None else evaluation(users, early)
    return fit


def test_seeds_are_pooled_by_user():
    fits = {
        EXACT: [fit_with([1, 4], [0.4, 0.2], 10.0), fit_with([4, 7], [0.6, 0.3], 20.0)],
        RELAXED: [fit_with([1, 4], [0.4, 0.2], 8.0), fit_with([4, 7], [0.6, 0.3], 20.0)],
        AUTO: [fit_with([1, 4], [0.4, 0.1], 9.0), fit_with([4, 7], [0.6, 0.1], 22.0)],
    }
    totals = summed({name: [f.evaluation for f in of] for name, of in fits.items()}, "ndcg@10")
    assert totals[EXACT].tolist() == pytest.approx([0.4, 0.8, 0.3])
    found = pool(fits, EXACT, RELAXED, 0)[AUTO]
    assert found.to_exact == pytest.approx([0.9, 1.1])
    assert found.to_relaxed == pytest.approx([1.125, 1.1])
    assert found.quality["ndcg@10"] == pytest.approx(1.2 / 4)
    assert found.ratios["ndcg@10"].mean == pytest.approx(1.2 / 1.5)


def test_overfitting_is_measured_on_exact_itself():
    rng = np.random.default_rng(0)
    early = 0.3 + 0.1 * rng.random(500)
    users = np.arange(500)
    worse = overfitting([fit_with(users, 0.9 * early, early=early)], 0)
    assert worse.high < 1
    noisy = early + 0.3 * rng.normal(size=500)
    assert overfitting([fit_with(users, noisy, early=early)], 0).high > 1
    assert overfitting([fit_with(users, early)], 0) is None


def test_bars_are_met_or_not_by_what_was_measured():
    ours = Standing(AUTO)
    cell = QualityCell(
        "x", 0, "raw", 32, 6, {}, [0], [ours], [], None, [], "unknown", "2026", wall_seconds=1.0
    )
    weighting = Weighting("music-small", "raw", {}, 0.75, 2.0)
    ours.to_relaxed = [1.0, 1.011, 1.0]
    ours.relaxed_ratios["ndcg@10"] = Interval(1.0, 0.985, 1.01)
    ours.fit_time = Spread(0.1, 0.2, 0.76, 0.8, 0.9)
    slow, lost = Standing("a", iterations_to_target=3), Standing("b", checked=12)
    slow.sooner = Spread(2.0, 2.0, 2.0, 2.0, 2.0)
    cell.standings += [slow, lost]

    def said():
        found = bars(cell, weighting, AUTO, ("a", "b"))
        return {bar.name: (bar.value, bar.met) for bar in found}

    ours.iterations_to_target = 4
    assert said() == {
        "objective": (1.011, False),
        "NDCG@10": (0.985, True),
        "fit time": (0.76, False),
        "sooner than a": (2.0, True),
        "sooner than b": (None, True),
    }
    assert sooner(cell, "b") == "never"
    lost.checked = 11
    assert said()["sooner than b"] == (None, None)
    assert sooner(cell, "b") == "not reached"
    ours.iterations_to_target = None
    assert said()["sooner than a"] == said()["sooner than b"] == (None, False)
    unmeasured = bars(cell, Weighting("x", "y", {}), "nobody", ("a", "b"))
    assert [bar.met for bar in unmeasured] == [None, None]
