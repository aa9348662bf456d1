"""`halfstep compare`: exact ALS as the yardstick, its words, and what it refuses."""

import json

import numpy as np
import pytest
from cases.solvers import heavy_tailed

from halfstep import SOLVERS, InputError
from halfstep.cli.main import run
from halfstep.evaluation.exact import (
    against_exact,
    evaluated,
    exact_models,
    name_of,
)
from halfstep.evaluation.protocols.split import per_user
from halfstep.evaluation.trace import trace_fit
from halfstep.solvers.fit.start import starting_factors


@pytest.fixture(scope="module")
def plays(tmp_path_factory):
    counts = heavy_tailed().tocoo()
    path = tmp_path_factory.mktemp("plays") / "plays.csv"
    lines = [
        f"{u},{i},{v:.0f}" for u, i, v in zip(counts.row, counts.col, counts.data, strict=True)
    ]
    path.write_text("user,item,plays\n" + "\n".join(lines) + "\n")
    return path


ENOUGH = ("--factors", 24, "--iterations", 8)


@pytest.fixture
def compared(plays, tmp_path, capsys):
    """Return a function that runs the command and gives its exit code, last words and record."""

    def command(*arguments):
        out = tmp_path / "comparison.json"
        settings = ("--data", plays, "--factors", 4, "--iterations", 3, "--json", out)
        code = run(["compare", *map(str, (*settings, *arguments))])
        said = " ".join(capsys.readouterr().out.split())
        return code, said.rpartition("verdict: ")[2], json.loads(out.read_text()), said

    return command


def test_two_steps_for_every_row_are_not_enough_for_plays(compared):
    code, said, record, printed = compared("eigenbasis:cg_steps=2", *ENOUGH)
    assert code == 1
    assert said.startswith("eigenbasis:cg_steps=2 is worse: objective +")
    assert ", NDCG@10 −" in said
    assert said.endswith(record["said"])
    assert "as good as exact ALS, relaxation 1.4?" in printed
    plain, alike = record["exact"]["eigenbasis:cg_steps=2"]
    assert (plain["relaxation"], plain["alike"]) == ([1.0] * 8, False)
    assert (alike["relaxation"], alike["alike"]) == ([1.0] * 2 + [1.4] * 6, True)
    assert alike["relative"]["objective"] > plain["relative"]["objective"] > 0.1
    assert alike["relative"]["NDCG@10"] < -0.1
    assert alike["said"] == record["said"]
    assert alike["relative"]["objective"] == record["objective"]["gaps"][-1]


@pytest.mark.parametrize("exact", ["eigenbasis:exact", "eigenbasis:exact:relaxation=1.4"])
def test_exact_als_is_as_good_as_itself(exact, compared):
    code, said, record, _ = compared(exact)
    assert (code, said) == (0, f"{exact} is equivalent")
    assert record["objective"]["gaps"] == [0] * 3
    alike = [row["alike"] for row in record["exact"][exact]]
    assert alike == ([False, True] if ":relaxation" in exact else [True])


def test_two_solvers_are_shown_beside_exact_als_and_the_second_is_judged(compared):
    code, said, record, _ = compared("eigenbasis:cg_steps=2", "cholesky", *ENOUGH)
    assert (code, record["verdict"]) == (1, "better")
    assert said.startswith("cholesky is better: NDCG@10 +")
    assert record["objective"]["gaps"][-1] < -0.1  # which alone would be no better
    assert record["objective"]["tolerance"] == 0.005
    assert [s["name"] for s in record["solvers"]] == ["eigenbasis:cg_steps=2", "cholesky"]
    assert list(record["exact"]) == ["eigenbasis:cg_steps=2", "cholesky"]
    unrelaxed = next(row for row in record["exact"]["cholesky"] if row["alike"])
    assert unrelaxed["relaxation"] == [1.0] * 8
    assert abs(unrelaxed["relative"]["objective"]) < 1e-4


def test_a_baseline_is_compared_with_a_solver_and_not_with_exact_als(compared, plays, capsys):
    _, _, record, printed = compared("popularity", "eigenbasis:exact")
    assert record["objective"]["verdict"] is None
    assert list(record["exact"]) == ["eigenbasis:exact"]
    assert "a baseline has none" in printed
    assert run(["compare", "popularity", "--data", str(plays)]) == 2
    assert "popularity is a baseline, which minimises nothing" in capsys.readouterr().err


def test_tolerance_and_margin_matter(compared):
    lenient = compared("eigenbasis:cg_steps=2", "--tolerance", "9", "--margin", "9")
    assert lenient[:2] == (0, "eigenbasis:cg_steps=2 is equivalent")
    assert lenient[2]["objective"]["tolerance"] == 9
    assert compared("eigenbasis:exact")[2]["objective"]["tolerance"] == 0.01


def test_too_few_users_are_undecided_and_it_is_said(tmp_path, capsys):
    path = tmp_path / "few.csv"
    path.write_text(
        "user,item\n" + "".join(f"{u},{u * i % 9}\n" for u in range(12) for i in range(9))
    )
    assert run(["compare", "eigenbasis:exact", "--data", str(path), "--factors", "2"]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "users have held-out entries; a verdict needs at least 20" in printed
    assert "eigenbasis:exact is undecided: NDCG@10" in printed


REFUSED = [
    (("fast",), "solver must be one of auto"),
    (("eigenbasis:exact", "fast:exact"), "solver must be one of auto"),
    (("cmfrec_cpu",), "solver must be one of auto"),  # it fits from a start of its own
    (("eigenbasis:",), "eigenbasis has no argument ''"),
    (("eigenbasis:steps=2",), "eigenbasis has no argument 'steps'"),
    (("eigenbasis:cg_steps=0",), "cg_steps must be at least 1, got 0"),
    (("eigenbasis:exact=maybe",), "exact must be true or false, got 'maybe'"),
    (
        ("eigenbasis:relaxation=far",),
        "relaxation must be between 0 and 2, or a list with such a number",
    ),
    (("auto:factors=3",), "factors must be the same for all compared solvers"),
    (("auto:init_factors",), "init_factors must be the same for all compared solvers"),
    (("eigenbasis:exact", "--iterations", "0"), "--iterations must be at least 1"),
    (("naive", "cholesky", "--iterations", "0"), "--iterations must be at least 1"),
    (("eigenbasis", "--tolerance", "0"), "tolerance must be positive and finite, got 0"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refusals(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["compare", *arguments, "--json", "out.json"]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out.json").exists()


def test_a_pipe_without_unicode_gets_a_minus_sign_that_it_can_show(compared, monkeypatch):
    from rich.console import Console

    from halfstep.cli.main import compare as compare_command

    monkeypatch.setattr(Console, "encoding", "cp1252")
    monkeypatch.setattr(compare_command, "console", Console())
    _, said, record, printed = compared("eigenbasis:cg_steps=2")
    assert "AUC −" in record["said"] or "NDCG@10 −" in record["said"]
    assert said.replace("-", "−").endswith(record["said"])
    printed.encode("cp1252")


def test_auto_says_which_solver_it_stood_for(compared):
    _, _, record, _ = compared("cpu:cg_steps=2:num_threads=1")
    assert record["solvers"][1]["name"] == "eigenbasis:cg_steps=2:num_threads=1"


@pytest.mark.parametrize(
    "own",
    [{}, {"cg_steps": 2}, {"cg_steps": 9}, {"exact": True}, {"cg_steps": 9, "relaxation": 1.2},
     {"exact": True, "relaxation": 1.6}, {"relaxation": (0.9, 1.1)}],
)  # fmt: skip
@pytest.mark.parametrize("iterations", [2, 5])
def test_relaxation_is_what_the_fit_does(own, iterations, by_blocks, monkeypatch):
    eigenbasis = SOLVERS["eigenbasis"]
    solve, seen = eigenbasis.half_step, []

    def half_step(self, problem, X):
        seen.append(problem.omega)
        return solve(self, problem, X)

    monkeypatch.setattr(eigenbasis, "half_step", half_step)
    model = eigenbasis(factors=3, iterations=iterations, random_state=0, **own)
    model.fit(heavy_tailed(30, 20, 5), show_progress=False)
    assert seen[::2] == seen[1::2] == model.relaxation_


def test_exact_als_without_relaxation_and_as_the_solvers_do():
    plain, alike = (1.0,) * 4, (1.0, 1.4, 1.6, 1.6)
    models = exact_models([plain, alike, alike], factors=3, iterations=4)
    assert list(models) == [plain, alike]
    for factors, model in models.items():
        model.fit(heavy_tailed(30, 20, 5), show_progress=False)
        assert (model.exact, tuple(model.relaxation_)) == (True, factors)
    names = [name_of(of) for of in (plain, alike, (1.0, 1.0, 1.6))]
    assert names == ["exact ALS", "exact ALS, relaxation 1.4 to 1.6", "exact ALS, relaxation 1.6"]


def test_a_solver_that_solves_its_rows_passes():
    split = per_user(heavy_tailed(), 0.2, random_state=0)
    start = starting_factors(None, split.train.shape, 24, np.float32, 0)
    shared = {"factors": 24, "iterations": 8, "init_factors": start}
    parts = split.train, split.test

    def fit(model):
        return evaluated(model, trace_fit(model, split.train), *parts, 10)

    solved = fit(SOLVERS["eigenbasis"](**shared, cg_steps=60, relaxation=1.4))
    exact = [fit(model) for model in exact_models([solved.relaxation], **shared).values()]
    plain, alike = against_exact(solved, exact, *parts)
    assert abs(alike.comparison.objective_gaps[-1]) < 1e-3
    assert alike.comparison.verdict in ("equivalent", "undecided")
    # Further than plain exact ALS in as many iterations, which is not called better.
    assert plain.comparison.objective_gaps[-1] < -0.02
    assert plain.comparison.objective_verdict == "equivalent"
    with pytest.raises(InputError, match=r"must hold a fit with relaxation \(1.0, 1.0, 1.4"):
        against_exact(solved, exact[:1], *parts)
