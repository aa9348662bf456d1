"""The command: exit codes, one-line errors, nothing written on refusal, JSON for machines."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cases.processes import halfstep, path_env
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, Solver
from halfstep.cli.main import run
from halfstep.defaults import SUITES


@pytest.fixture
def plays(tmp_path):
    """Return a small table of plays with ids that are not indices."""
    counts = awkward(users=60, items=45, negative=False).tocoo()
    lines = ["user,item,plays"] + [
        f"{100 + u},{7000 + i},{int(np.ceil(v))}"
        for u, i, v in zip(counts.row, counts.col, counts.data, strict=True)
    ]
    path = tmp_path / "plays.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def command(*arguments):
    return run([str(a) for a in arguments])


def test_doctor_names_every_solver_and_its_reason(capsys, tmp_path):
    assert command("doctor", "--json", tmp_path / "doctor.json") == 0
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "doctor.json").read_text())
    assert list(found["solvers"]) == list(SOLVERS)
    for name in SOLVERS:
        assert name in printed
        assert found["solvers"][name] == (SOLVERS[name].unavailable() or "")
    assert found["auto"] in SOLVERS
    assert "numpy" in found["packages"]


def test_data_list_info_convert(plays, capsys, tmp_path):
    assert command("data", "list") == 0
    assert "music-small" in capsys.readouterr().out
    assert command("data", "info", plays, "--json", tmp_path / "info.json") == 0
    info = json.loads((tmp_path / "info.json").read_text())
    assert info["users"] == 58
    assert command("data", "convert", plays, "-o", tmp_path / "plays.npz") == 0
    assert command("data", "info", tmp_path / "plays.npz", "--json", tmp_path / "again.json") == 0
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["hash"] == info["hash"]


def test_fit_then_recommend(plays, tmp_path, capsys):
    model = tmp_path / "model.npz"
    settings = ("--data", plays, "--factors", 4, "--iterations", 3, "--confidence", "linear")
    assert command("fit", "-o", model, *settings, "--solver", "cholesky") == 0
    assert "cholesky: objective" in capsys.readouterr().out
    assert Solver.load(model).confidence == "linear"
    output = tmp_path / "list.json"
    assert (
        command("recommend", model, "--user", 109, "--data", plays, "-n", 5, "--json", output) == 0
    )
    found = json.loads(output.read_text())
    assert found["user"] == "109"
    ranked = found["recommended"]
    assert len(ranked) == 5
    assert all(7000 <= int(r["item"]) < 7045 for r in ranked)
    rows = [line.split(",") for line in plays.read_text().splitlines() if line.startswith("109,")]
    played = {item: float(value) for _, item, value in rows}
    assert {r["item"]: r["value"] for r in found["history"]} == played  # all of it, whatever -n is
    assert not played.keys() & {r["item"] for r in ranked}


def test_evaluate_shows_popularity_beside_the_solver(plays, tmp_path):
    output = tmp_path / "metrics.json"
    settings = ("--data", plays, "--factors", 4, "--solver", "cholesky", "-k", 5)
    assert command("evaluate", *settings, "--json", output) == 0
    means = json.loads(output.read_text())["models"]
    assert list(means) == ["random", "popularity", "cholesky"]
    assert {"ndcg@5", "recall@5", "auc", "coverage@5"} <= set(means["cholesky"])


def test_bench_writes_results_and_a_report(plays, tmp_path, capsys):
    out = tmp_path / "bench"
    settings = ("--data", plays, "--factors", 3, "--iterations", 2, "--repeats", 2, "--no-memory")
    assert command("bench", *settings, "--solvers", "cholesky,naive", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "cholesky" in printed
    assert {p.name for p in out.iterdir()} == {"results.json", "report.html"}
    assert json.loads((out / "results.json").read_text())["schema"] >= 1


REFUSED = [
    (("fit", "-o", "m.npz", "--factors", "0"), "factors must be at least 1, got 0"),
    (("fit", "-o", "m.npz", "--factors", "many"), "Invalid value for '--factors'"),
    (("fit", "-o", "m.npz", "--regularization", "-1"), "regularization must be at least 0"),
    (
        ("fit", "-o", "m.npz", "--solver", "fast"),
        "solver must be one of auto, cpu, gpu, popularity",
    ),
    (("fit", "-o", "m.npz", "--data", "absent.csv"), "existing folder or file, got 'absent.csv'"),
    (("fit", "-o", "m.npz", "--data", "page.csv"), "page.csv"),
    (("fit", "-o", "nowhere/m.npz"), "the folder 'nowhere' does not exist"),
    (("recommend", "absent.npz", "--user", "1"), "there is no model 'absent.npz': `halfstep fit`"),
    (("recommend", "page.csv", "--user", "1"), "page.csv is not a halfstep model"),
    (("compare", "naive", "fast"), "solver must be one of"),
    (("compare", "naive", "implicit_cpu", "--confidence", "explicit"), "no confidence 'explicit'"),
    (
        ("compare", "naive", "cholesky", "--test-fraction", "1.5", "--data", "few.csv"),
        "test_fraction",
    ),
    (("evaluate", "--preset", "ml-1m"), "preset must be one of ncf-ml-1m, got 'ml-1m'"),
    (
        ("evaluate", "--preset", "ncf-ml-1m", "--data", "few.csv"),
        "must have a test item and negatives",
    ),
    (
        ("bench", "--suite", "long"),
        f"suite must be one of {', '.join(SUITES)}, got 'long'",
    ),
    (("bench", "--solvers", "fast"), "solvers must be among popularity"),
    (("bench", "--factors", "32;64"), "--factors must be integers separated by commas"),
    (("bench", "--data", "absent"), "got 'absent'"),
    (("train",), "No such command 'train'"),
    (("fit", "-o", "."), "--output must be a file, got the folder '.'"),
    (("fit", "-o", "m.npz", "--alpha", "1e39", "--data", "few.csv"), "must fit float32"),
    (("evaluate", "--json", "nowhere/x.json"), "--json: the folder 'nowhere' does not exist"),
    (("evaluate", "-k", "0"), "-k must be at least 1, got 0"),
    (
        ("evaluate", "--preset", "ncf-ml-1m", "--factors", "8"),
        "--factors has no meaning with --preset",
    ),
    (("compare", "naive", "cholesky", "--json", "."), "--json must be a file"),
    (
        ("compare", "naive", "cholesky", "--margin", "-1"),
        "margin must be positive and finite, got -1",
    ),
    (
        ("compare", "naive", "cholesky", "--tolerance", "nan"),
        "tolerance must be positive and finite",
    ),
    (("compare", "naive", "cholesky", "-k", "0"), "k must be at least 1, got 0"),
    (("bench", "--json", "nowhere/x.json"), "--json: the folder 'nowhere' does not exist"),
    (("data", "info", "image.png"), "image.png"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refusals(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.csv").write_text("<html><body>Not found</body></html>\n")
    (tmp_path / "few.csv").write_text("user,item\n1,2\n2,3\n2,2\n")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    before = sorted(os.listdir(tmp_path))
    assert run(list(arguments)) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("halfstep: ")
    assert len(captured.err.strip().splitlines()) == 1
    assert sorted(os.listdir(tmp_path)) == before


def test_a_process_says_one_line_on_refusal_and_none_on_success(plays, tmp_path):
    refused = halfstep("fit", "-o", "m.npz", "--factors", "0", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == "halfstep: factors must be at least 1, got 0\n"
    settings = ("--data", plays, "--factors", "3", "--iterations", "1")
    done = halfstep("fit", "-o", "m.npz", *settings, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    warned = halfstep(
        "fit",
        "-o",
        "m.npz",
        *settings,
        "--regularization",
        "0",
        "--solver",
        "cholesky",
        cwd=tmp_path,
    )
    assert warned.returncode == 0
    assert warned.stderr.startswith("halfstep: regularization 0.0 may leave rows singular")
    assert len(warned.stderr.splitlines()) == 1
    bare = halfstep(cwd=tmp_path)
    assert "Usage" in bare.stdout
    assert bare.stderr == ""


def test_numbers_out_of_range_are_a_refusal_not_a_traceback(plays, tmp_path):
    settings = (
        "--data",
        plays,
        "--factors",
        "3",
        "--iterations",
        "3",
    )
    extreme = ("--regularization", "1e38", "--confidence", "linear")
    ran = halfstep("compare", "naive", "cholesky", *settings, *extreme, cwd=tmp_path)
    assert "Traceback" not in ran.stderr
    assert ran.returncode in (0, 1, 2)
    ran = halfstep("compare", "naive", "cholesky", *settings, "--alpha", "0", cwd=tmp_path)
    assert "Traceback" not in ran.stderr
    assert ran.returncode in (0, 1)


def test_help_of_every_command_is_free_of_heavy_imports():
    code = (
        "import sys; from halfstep.cli.main import run; run(['--help']); "
        "print('numba' in sys.modules)"
    )
    run_ = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=path_env()
    )
    assert run_.returncode == 0, run_.stderr
    assert run_.stdout.strip().endswith("False")
    for name in ("doctor", "data", "fit", "recommend", "evaluate", "tune", "compare", "bench"):
        assert name in run_.stdout
        assert run([name, "--help"]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_saves_what_the_fit_has(tmp_path):
    program = [sys.executable, "-m", "halfstep", "fit", "-o", str(tmp_path / "m.npz"),
               "--solver", "naive", "--iterations", "1000", "--factors", "16",
               "--checkpoint", str(tmp_path / "state")]  # fmt: skip
    fit = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=path_env()
    )
    while not (tmp_path / "state").exists():
        assert fit.poll() is None
        time.sleep(0.05)
    fit.send_signal(signal.SIGINT)
    printed, error = fit.communicate(timeout=60)
    assert fit.returncode == 130
    assert error.strip().splitlines()[-1] == "halfstep: interrupted"
    assert "Traceback" not in error
    assert "interrupted after" in " ".join(printed.split())
    assert np.isfinite(Solver.load(tmp_path / "m.npz").user_factors).all()
    assert sorted(os.listdir(tmp_path)) == ["m.npz", "state"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_in_other_commands_is_one_line_and_writes_nothing(tmp_path):
    program = [sys.executable, "-m", "halfstep", "evaluate", "--json", str(tmp_path / "e.json"),
               "--solver", "naive", "--iterations", "1000", "--factors", "64"]  # fmt: skip
    evaluate = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=path_env())
    time.sleep(5)
    evaluate.send_signal(signal.SIGINT)
    _, error = evaluate.communicate(timeout=30)
    assert evaluate.returncode == 130
    assert error == "halfstep: interrupted\n"
    assert os.listdir(tmp_path) == []


def test_npz_of_scipy_is_data_too(tmp_path):
    matrix = sparse.csr_matrix(np.eye(30) + np.eye(30, k=1))
    sparse.save_npz(tmp_path / "m.npz", matrix)
    assert command("data", "info", tmp_path / "m.npz") == 0
