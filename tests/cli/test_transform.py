"""`--transform` on every command that fits, and the hint about heavy tails."""

import json

import numpy as np
import pytest

from halfstep import SOLVERS, InputError, Solver
from halfstep.bench.report.sentences import weighting
from halfstep.bench.settings import BenchSettings
from halfstep.cli.main import run
from halfstep.evaluation.tuning.space import searched_space

FEW = ("--factors", "3", "--iterations", "2", "--threads", "1")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """300 plays of 40 users with a heavy tail."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("plays") / "plays.csv"
    cells = rng.choice(40 * 30, 400, replace=False)
    counts = 1 + (rng.pareto(0.6, 400) * 2).astype(int)
    rows = (f"u{cell // 30},i{cell % 30},{n}\n" for cell, n in zip(cells, counts, strict=True))
    path.write_text("user,item,plays\n" + "".join(rows))
    return str(path)


def test_fit_saves_what_new_rows_need(table, tmp_path, capsys):
    model = str(tmp_path / "m.npz")
    bm25 = ("--transform", "bm25", "--bm25-k1", "1.2", "--bm25-b", "0.5")
    assert run(["fit", "--data", table, "-o", model, *FEW, *bm25]) == 0
    loaded = Solver.load(model)
    known = loaded._transform
    assert (known.name, known.k1, known.b, known.items) == ("bm25", 1.2, 0.5, 30)
    for query in (("recommend", model, "--like", "i3"), ("explain", model, "i3", "--user", "u3")):
        assert run([*query, "-n", "2"]) == 0
    capsys.readouterr()
    assert run(["fit", "--data", table, "-o", model, *FEW, "--transform", "bm26"]) == 2
    assert "transform must be None, bm25 or tfidf, got 'bm26'" in capsys.readouterr().err
    assert run(["fit", "--data", table, "-o", model, *FEW, "--bm25-k1", "3"]) == 2
    assert "bm25_k1 belongs to transform 'bm25' alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (("evaluate", "--solver", "eigenbasis", *FEW), lambda r: r["models"]["eigenbasis"]),
        (("compare", "eigenbasis:exact", *FEW), lambda r: r["held_out"]),
        (("doctor", "--factors", "3"), lambda r: r["weights"]),
    ],
    ids=["evaluate", "compare", "doctor"],
)
def test_it_reaches_the_other_commands(command, number, table, tmp_path):
    found = []
    for place, transform in enumerate(((), ("--transform", "tfidf"))):
        out = tmp_path / f"{place}.json"
        asked = [*command, *transform, "--data", table, "--json", str(out)]
        assert run(asked) in (0, 1)  # 1: not equivalent
        found.append(number(json.loads(out.read_text())))
    assert found[0] != found[1]


def test_tune_gives_it_to_every_trial_of_a_grid(table, capsys):
    fixed = {"confidence": "linear", "transform": "bm25"}
    assert searched_space("grid", {}, fixed, None)[1] == fixed
    assert searched_space("grid", {}, fixed | {"transform": None}, None)[1] == {
        "confidence": "linear"
    }
    for search in ("climb", "tpe"):
        assert run(["tune", "--data", table, "--search", search, "--transform", "bm25"]) == 2
        assert "--transform has no meaning with --search" in capsys.readouterr().err


def test_bench_gives_it_to_every_contestant_and_says_so():
    convention = BenchSettings(transform="bm25", bm25_b=0.5).convention()
    assert SOLVERS["cholesky"](**convention).get_params()["bm25_b"] == 0.5
    assert weighting(convention).startswith("BM25 with K1 100 and B 0.5, confidence ")
    tfidf = BenchSettings(transform="tfidf").convention()
    assert weighting(tfidf).startswith("TF-IDF, confidence ")
    with pytest.raises(InputError, match="the suite 'quality' has transform of its own"):
        BenchSettings(suite="quality", transform="tfidf")


def test_the_hint_is_one_line_and_names_the_options(table, tmp_path, capsys):
    asked = {
        "fit": ("fit", "-o", str(tmp_path / "m.npz"), *FEW),
        "evaluate": ("evaluate", *FEW),
        "doctor": ("doctor", "--factors", "3"),
    }
    for command in asked.values():
        assert run([*command, "--data", table]) == 0
        lines = [line for line in capsys.readouterr().out.split("\n") if "heavy tail" in line]
        assert len(lines) == 1
        assert lines[0].startswith("Hint: ")
        for option in ("--confidence log", "--transform bm25", "--regularization 20", "tune"):
            assert option in lines[0]
        assert run([*command, "--data", table, "--confidence", "log"]) == 0
        assert "heavy tail" not in capsys.readouterr().out
    assert run([*asked["evaluate"], "--data", table, "--solver", "popularity"]) == 0
    assert "heavy tail" not in capsys.readouterr().out
