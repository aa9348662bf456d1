"""`halfstep cluster fit`, and what can be done with its result."""

import json
import os
import subprocess
import sys
import warnings

import pandas as pd
import pytest
from cases.cluster.workers import ROOT
from typer.testing import CliRunner

from halfstep.cli.main import app


def halfstep(*arguments, folder):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, "-m", "halfstep", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_one_command_fits_over_workers_on_this_machine(tmp_path, monkeypatch):
    rows = [(u, f"artist {(u * 7 + k * k) % 40}", 1 + k) for u in range(60) for k in range(8)]
    frame = pd.DataFrame(rows, columns=["user", "artist", "plays"])
    for k in range(3):
        frame[k::3].to_parquet(tmp_path / f"plays-{k}.parquet", index=False)
    columns = "--user", "user", "--item", "artist", "--value", "plays"
    settings = "-f", "4", "--iterations", "3", "--confidence", "log", "--loss", "--workers", "2"
    done = halfstep(
        "cluster",
        "fit",
        "plays-*.parquet",
        *columns,
        *settings,
        "--json",
        "fit.json",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "eigenbasis: objective" in done.stdout
    assert "Traceback" not in done.stderr
    assert "distributed" not in done.stderr
    told = json.loads((tmp_path / "fit.json").read_text())
    assert (told["users"], told["items"], told["iterations"]) == (60, 40, 3)
    monkeypatch.chdir(tmp_path)

    def said(*arguments):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    assert "wrote the lists of 60 users to lists" in said("cluster", "recommend", "-n", "2")
    assert "wrote model.npz" in said("cluster", "export")
    assert "For user 7" in said("recommend", "--user", "7", "-n", "2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give Parquet files or --data"),
        (["x.parquet", "--data", "music-small"], "give Parquet files or --data"),
        (["--data", "music-small", "--workers", "0"], "--workers must be from 1"),
        (
            ["--data", "music-small", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"],
            "no meaning",
        ),
        (["x.parquet", "--tls-ca", "none.pem"], "belong to --scheduler"),
        (["x.parquet", "--storage-option", "wrong"], "must be KEY=VALUE"),
        (["x.parquet", "--storage-option", "a=1", "--storage-option", "a.b=2"], "a value already"),
    ],
)
def test_bad_options_are_refused(arguments, words, caplog, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["cluster", "fit", *arguments])
    assert result.exit_code != 0
    assert words in f"{result.output} {result.exception}"


def test_a_cluster_of_this_machine_listens_here_alone():
    psutil = pytest.importorskip("psutil", reason="psutil tells who listens where")
    from halfstep.distributed.fitting.clusters import connected

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with connected(workers=1) as client:
            processes = [os.getpid(), *client.run(os.getpid).values()]
            found = [
                connection.laddr.ip
                for process in processes
                for connection in psutil.Process(process).net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            ]
    assert found
    assert set(found) == {"127.0.0.1"}
