"""Contestants with settings of their own, and those that fit only as a whole."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from cases.bench import CASE, SETTINGS
from cases.solvers import awkward

from halfstep import SOLVERS
from halfstep.bench import contestant_names
from halfstep.bench.contestant_names import default_contestants, solver_and_settings
from halfstep.bench.method.contest import run_case
from halfstep.bench.method.contestants import contestants
from halfstep.bench.settings import BenchSettings
from halfstep.bench.suites import plan
from halfstep.errors import InputError
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.objective import relative_residuals
from halfstep.solvers.peers.cmfrec_cpu import CmfrecCpu


class Whole(SOLVERS["cholesky"]):
    """Reports once, after its last iteration, and is no worse for it."""

    name = "whole"
    fits: ClassVar[list[int]] = []

    def _alternate(self, users, items, X, Y, report):
        Whole.fits.append(self.iterations)
        for _ in range(self.iterations):
            X = self.half_step(users.fixing(Y), X)
            Y = self.half_step(items.fixing(X), Y)
        report(self.iterations - 1, 0.01, X, Y)
        self.seconds_ = [0.01] * self.iterations


@pytest.fixture
def whole(monkeypatch):
    monkeypatch.setitem(contestant_names.WHOLE, "whole", Whole)
    Whole.fits.clear()


def test_settings_stand_behind_colons():
    assert solver_and_settings("eigenbasis:exact") == (SOLVERS["eigenbasis"], {"exact": True})
    solver, own = solver_and_settings("irspack_cpu:method=ialspp:num_threads=1")
    assert (solver.name, own) == ("irspack_cpu", {"method": "ialspp", "num_threads": 1})
    assert solver_and_settings("implicit_cpu:use_cg=false")[1] == {"use_cg": False}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solvers": ("nobody:exact",)}, "solvers must be among .* got 'nobody'"),
        ({"solvers": ("eigenbasis:wrong=1",)}, "eigenbasis has no argument 'wrong'"),
        ({"solvers": ("cholesky", "cholesky")}, "solvers must be different"),
        ({"reference": "cmfrec_cpu"}, "reference must have iterations"),
        ({"reference": "nobody"}, "solvers must be among"),
    ],
)
def test_bad_names_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        BenchSettings(**change)


def test_the_full_suite_has_the_peers_methods_and_no_rung_that_is_there_to_be_read():
    names = default_contestants("full")
    assert {"eigenbasis", "irspack_cpu:method=cholesky", "cmfrec_cpu"} <= set(names)
    assert not {"naive", "conjugate_gradient"} & set(names)
    settings = BenchSettings(suite="full", reference="eigenbasis:exact")
    field = contestants(settings, plan(settings).cases[0])
    assert field[0].name == "eigenbasis:exact"
    assert field[0].model(1).exact
    assert len({c.name for c in field}) == len(field)


def test_own_settings_are_not_shared(bench_data):
    names = ("conjugate_gradient", "conjugate_gradient:cg_steps=1", "cholesky")
    settings = replace(SETTINGS, solvers=names, reference="conjugate_gradient:cg_steps=1")
    record = run_case(CASE, bench_data, 0, settings, lambda line: None)
    assert record.reference == "conjugate_gradient:cg_steps=1"
    rows = {row.solver: row for row in record.rows}
    assert set(rows) == set(names)
    assert rows["conjugate_gradient"].objective < rows[record.reference].objective


def test_one_that_fits_as_a_whole_is_searched_for_the_target(bench_data, whole):
    settings = replace(SETTINGS, solvers=("whole", "cholesky"), reference="conjugate_gradient")
    record = run_case(CASE, bench_data, 0, settings, lambda line: None)
    rows = {row.solver: row for row in record.rows}
    mine, same = rows["whole"], rows["cholesky"]
    assert mine.reason is None
    assert mine.iterations_to_target == same.iterations_to_target
    assert mine.objective == pytest.approx(same.objective, rel=1e-6)
    assert Whole.fits[:2] == [1, 3]
    assert mine.seconds[0][0] == 0.01
    assert "from its own start, timed as whole fits" in mine.notes
    assert mine.quality == same.quality


def test_one_that_fits_as_a_whole_is_left_out_over_its_budget(bench_data, whole):
    settings = replace(SETTINGS, solvers=("whole",))
    record = run_case(replace(CASE, budget=0.035), bench_data, 0, settings, lambda line: None)
    row = next(row for row in record.rows if row.solver == "whole")
    assert row.reason.startswith("left out: 3 iterations would take about")


def test_als_wr_is_the_objective_of_the_whole_table(bench_data):
    names = ("conjugate_gradient", "implicit_cpu")
    settings = replace(
        SETTINGS, als_wr=True, confidence="linear", solvers=names, reference="cholesky"
    )
    assert settings.record()["als_wr"] is True
    assert "als_wr" not in SETTINGS.record()
    case = replace(CASE, convention=settings.convention())
    record = run_case(case, bench_data, 0, settings, lambda line: None)
    rows = {row.solver: row for row in record.rows}
    assert record.convention["als_wr"] is True
    assert rows["conjugate_gradient"].objective == pytest.approx(
        rows["cholesky"].objective, rel=0.1
    )
    assert "implicit_cpu has no ALS-WR" in rows["implicit_cpu"].reason
    other = run_case(CASE, bench_data, 0, replace(settings, als_wr=False), lambda line: None)
    assert other.rows[0].objective != pytest.approx(rows["cholesky"].objective, rel=1e-3)
    with pytest.raises(InputError, match="als_wr belongs to the suites quick, full and scaling"):
        BenchSettings(suite="small", als_wr=True)


def test_sparks_objective_is_a_second_target_with_speed_ups(bench_data, whole, monkeypatch):
    monkeypatch.setitem(contestant_names.WHOLE, "spark", type("Spark", (Whole,), {"name": "spark"}))
    settings = replace(SETTINGS, solvers=("spark", "cholesky"), reference="conjugate_gradient")
    case = replace(CASE, memory=True)
    settings = replace(settings, memory=True)
    monkeypatch.setattr("halfstep.bench.method.memory.measure", lambda path, solver: 1)
    record = run_case(case, bench_data, 0, settings, lambda line: None)
    rows = {row.solver: row for row in record.rows}
    assert record.second == "spark"
    assert record.second_target == rows["spark"].objectives[CASE.iterations - 1]
    assert rows["cholesky"].iterations_to_second <= CASE.iterations
    pairs = [
        sum(theirs) / sum(mine[: rows["cholesky"].iterations_to_second])
        for theirs, mine in zip(rows["spark"].seconds, rows["cholesky"].seconds, strict=True)
    ]
    assert rows["cholesky"].speed_ups["spark"].lowest == pytest.approx(min(pairs))
    assert "memory not measured: Java has a process of its own" in rows["spark"].notes
    assert rows["spark"].peak_memory_bytes is None


def require_cmfrec():
    reason = CmfrecCpu.unavailable()
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize(
    ("convention", "use_cg"),
    [
        ({"confidence": "log", "alpha": 2.0}, False),
        ({"confidence": "linear"}, False),
        ({"confidence": "binary", "background": 0.3}, False),
        ({"confidence": "binary", "background": 0.3}, True),
    ],
)
def test_cmfrec_comes_to_rest_where_our_objective_does(convention, use_cg):
    require_cmfrec()
    matrix = as_csr(awkward(80, 61, negative=False))
    model = CmfrecCpu(
        factors=5,
        regularization=0.5,
        iterations=40,
        use_cg=use_cg,
        random_state=0,
        num_threads=1,
        **convention,
    )
    model.fit(matrix, show_progress=False)
    assert len(model.seconds_) == 40
    exact = SOLVERS["cholesky"](factors=5, regularization=0.5, dtype=np.float64, **convention)
    sides = exact.weights(matrix)
    X, Y = model.user_factors, model.item_factors
    # It solves users last, so items are as far from their solution as the last iteration moved them.
    for side, fixed, solved, bound in (
        (sides[0], Y, X, 1e-2 if use_cg else 1e-4),
        (sides[1], X, Y, 5e-2),
    ):
        stored = np.diff(side.indptr) > 0
        assert np.quantile(relative_residuals(side.fixing(fixed), solved)[stored], 0.9) < bound


def test_what_cmfrec_cannot_express_is_refused():
    for given, message in (
        ({"confidence": "explicit"}, "has no confidence 'explicit'"),
        ({"confidence": "log"}, "minimise another objective than its Cholesky"),
        ({"confidence": "binary", "background": 1.5}, "background below 1"),
        ({"confidence": "binary", "regularization_exponent": 1.0}, "must be 0, got 1.0"),
        ({"use_cg": False, "cg_steps": 5}, "cg_steps has no meaning"),
    ):
        with pytest.raises(InputError, match=message):
            CmfrecCpu(**given)
    require_cmfrec()
    with pytest.raises(InputError, match="needs stored values whose confidence is above 1"):
        CmfrecCpu(factors=3, use_cg=False).fit(awkward(), show_progress=False)
