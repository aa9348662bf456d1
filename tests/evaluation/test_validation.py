"""Validation: the tables' means, intervals and spreads against their definitions; activity groups."""

import json
from itertools import pairwise

import numpy as np
import pytest
from cases.solvers import require

from halfstep import InputError
from halfstep.cli.main import run
from halfstep.evaluation.metrics.activity import by_activity
from halfstep.evaluation.metrics.held_out import evaluate
from halfstep.evaluation.metrics.intervals import bootstrap_intervals, standard_error
from halfstep.evaluation.protocols.baselines import BASELINES
from halfstep.evaluation.protocols.curve_plot import curve_of, plot_curve
from halfstep.evaluation.protocols.part_result import LOWEST, SAMPLED
from halfstep.evaluation.protocols.partitions import parts_of
from halfstep.evaluation.protocols.validation import validate
from halfstep.evaluation.verdict import percent


def model(**settings):
    return require("cholesky")(
        factors=4, iterations=4, random_state=0, confidence="linear", **settings
    )


@pytest.fixture(scope="module")
def folds(two_tastes):
    return list(parts_of("k-fold", two_tastes.interactions, folds=3, random_state=0))


@pytest.fixture(scope="module")
def validation(folds):
    return validate(
        {"als": model, "stiff": lambda: model(regularization=300.0)}, folds, explain_auc=True
    )


def test_a_user_counts_once_however_many_parts_judge_it(folds, validation):
    values = {}
    for part in folds:
        fitted = model().fit(part.train, show_progress=False)
        measured = evaluate(*part.judged_factors(fitted), part.history, part.test)
        for user, value in zip(measured.users, measured.per_user["ndcg@10"], strict=True):
            values.setdefault(user, []).append(value)
    expected = np.mean([np.mean(of) for of in values.values()])
    summary = validation.summaries("als")["ndcg@10"]
    assert summary.mean == pytest.approx(expected, rel=1e-12)
    assert summary.low < summary.mean < summary.high
    means = [validation.part(p).summaries("als")["ndcg@10"].mean for p in validation.parts]
    assert summary.spread == pytest.approx(np.std(means, ddof=1))
    assert validation.part(validation.parts[0]).summaries("als")["ndcg@10"].spread == 0


def test_a_curve_takes_the_draws_of_one_share_together(two_tastes, folds, tmp_path):
    parts = list(parts_of("ratio-curve", two_tastes.interactions, repeats=2, random_state=0))
    results = validate({}, parts)
    curve = curve_of(results, "auc")
    assert list(curve) == ["random", "popularity"]
    assert list(curve["popularity"]) == [10, 20, 40, 60, 80, 90]
    labels = ["draw 1 40% to train", "draw 2 40% to train"]
    assert set(labels) < set(results.parts)
    both = validate({}, [p for p in parts if p.label in labels])
    assert curve["popularity"][40] == both.summaries("popularity")["auc"]
    assert curve["popularity"][40].mean != curve["popularity"][60].mean
    with pytest.raises(InputError, match="must be those of a ratio-curve, got 'fold 1'"):
        plot_curve(validate({}, folds), tmp_path / "x.svg", "folds")
    assert not list(tmp_path.iterdir())


def test_baselines_stand_in_every_table(validation):
    assert list(validation.judged) == ["random", "popularity", "als", "stiff"]
    auc = {name: validation.summaries(name)["auc"] for name in validation.judged}
    assert auc["random"].low < 0.5 < auc["random"].high
    assert auc["als"].low > auc["popularity"].high > auc["random"].high
    assert {SAMPLED, LOWEST} <= set(validation.summaries("als"))
    assert validation.coverage("random")[10] == 1


def test_paired_comparison(validation):
    assert validation.paired("als", "stiff", "ndcg@10").verdict == "better"
    assert validation.paired("stiff", "als", "ndcg@10").verdict == "worse"
    assert validation.paired("als", "als", "ndcg@10").verdict == "equivalent"
    wide = validation.paired("als", "stiff", "ndcg@10", margin=5)
    assert wide.verdict == "equivalent"


def test_popularity_is_the_solver_of_that_name(two_tastes):
    train = two_tastes.interactions
    X, Y = BASELINES["popularity"](train, train.shape[0], 0)
    fitted = require("popularity")(factors=1).fit(train, show_progress=False)
    np.testing.assert_array_equal(X @ Y.T, fitted.user_factors @ fitted.item_factors.T)


def test_bad_validations(folds):
    with pytest.raises(InputError, match="popularity or mean factor, got 'random'"):
        validate({"random": model}, folds)
    with pytest.raises(InputError, match="at least one part, got none"):
        validate({"als": model}, [])


def test_activity_groups_cover_everybody_and_their_percentiles_are_theirs():
    rng = np.random.default_rng(0)
    activity = rng.zipf(1.6, 1000)
    values = rng.random(1000) / activity
    *groups, everybody = by_activity(values, activity, groups=4)
    assert everybody.users == sum(g.users for g in groups) == 1000
    assert all(a.most < b.least for a, b in pairwise(groups))
    for group in [*groups, everybody]:
        own = values[(activity >= group.least) & (activity <= group.most)]
        assert group.mean == pytest.approx(own.mean())
        assert group.low <= group.mean <= group.high
        assert group.percentiles[50] == pytest.approx(np.median(own))
        assert group.percentiles[5] <= group.percentiles[95]
    assert len(by_activity(values, np.ones(1000, int))) == 2
    assert len(by_activity(values, activity, groups=1)) == 2
    with pytest.raises(InputError, match="same users, at least one, got 0 and 0"):
        by_activity(values[:0], activity[:0])
    with pytest.raises(InputError, match="groups must be an integer of at least 1"):
        by_activity(values, activity, groups=0)


def test_rows_share_their_resamples():
    values = np.random.default_rng(0).random((3, 200))
    stacked = bootstrap_intervals(values)
    for row, bounds in zip(values, stacked, strict=True):
        np.testing.assert_allclose(bootstrap_intervals(row[None])[0], bounds, rtol=1e-12)
    wide = 1.96 * standard_error(values[0])
    assert stacked[0, 1] - stacked[0, 0] == pytest.approx(2 * wide, rel=0.1)
    assert np.isnan(bootstrap_intervals(np.empty((2, 0)))).all()
    assert standard_error(np.ones(1)) == 0
    with pytest.raises(InputError, match="confidence must lie in"):
        bootstrap_intervals(values, confidence=1.0)


@pytest.fixture
def table(tmp_path, two_tastes):
    path = tmp_path / "plays.npz"
    two_tastes.save(path)
    return str(path)


@pytest.mark.parametrize(
    ("protocol", "parts"),
    [
        ("random-rows", 2),
        ("strong", 2),
        ("k-fold", 3),
        ("ratio-curve", 6),
        ("new-items", 2),
        ("new-users", 2),
    ],
)
def test_command(protocol, parts, table, tmp_path, capsys):
    out = tmp_path / "e.json"
    settings = ["--factors", "3", "--iterations", "2", "--solver", "cholesky", "--json", str(out)]
    repeats = "2" if parts == 2 else "1"
    asked = ["--protocol", protocol, "--repeats", repeats, "--folds", "3", "--explain-auc"]
    assert run(["evaluate", "--data", table, *settings, *asked]) == 0
    record = json.loads(out.read_text())
    assert len(record["parts"]) == len(record["by_part"]) == parts
    if protocol == "ratio-curve":
        assert "models" not in record
        assert (tmp_path / "e.svg").read_text().endswith("</svg>\n")
        return
    known = ["popularity", "cholesky"]
    mean = ["mean factor"] if protocol == "new-users" else []
    assert list(record["models"]) == ["random", *mean, *known]
    assert record["paired"]["against"] == "popularity"
    assert record["auc_by_activity"][-1]["users"] == record["users"]
    printed = capsys.readouterr().out
    assert "cholesky minus popularity" in printed
    words = {v["verdict"] for v in record["paired"]["metrics"].values()} - {"equivalent"}
    said = record["paired"]["said"]
    assert {part.split(":")[0] for part in said.split("; ")} == (words or {"equivalent"})
    for name, verdict in record["paired"]["metrics"].items():
        share = verdict["difference"] / (record["models"]["popularity"][name] or 1)
        assert (f"{name} {percent(share)}" in said) == (verdict["verdict"] != "equivalent")
    shown = " ".join(printed.split()).replace("−", "-")
    assert said.replace("−", "-") in shown


def test_command_compares_two_solvers(table, tmp_path, capsys):
    out = tmp_path / "e.json"
    settings = ["--factors", "3", "--iterations", "2", "--json", str(out), "--confidence", "linear"]
    chosen = ["--solver", "cholesky", "--against", "naive"]
    assert run(["evaluate", "--data", table, *settings, *chosen]) == 0
    paired = json.loads(out.read_text())["paired"]
    assert (paired["of"], paired["against"]) == ("cholesky", "naive")
    assert {v["verdict"] for v in paired["metrics"].values()} == {"equivalent"}
    assert paired["said"] == "equivalent"
    assert run(["evaluate", "--data", table, "--protocol", "rows"]) == 2
    assert "protocol must be one of" in capsys.readouterr().err
