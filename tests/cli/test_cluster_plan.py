"""`halfstep cluster plan`: quantities as people write them, what it prints, and the JSON."""

import json
import subprocess
import sys

import pytest
from cases.processes import path_env
from scipy import sparse

from halfstep.cli.cluster.quantities import bytes_of, count_of, rate_of
from halfstep.cli.main import run
from halfstep.distributed.blocks import blocks_of
from halfstep.distributed.planning.counted import plan_of
from halfstep.distributed.planning.figures import Machines, Work
from halfstep.distributed.planning.paper import plan
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

WORK = ("--users", "1e9", "--items", "100000000", "--entries", "1e11")


def test_a_plan_from_a_few_numbers(tmp_path, capsys):
    file = tmp_path / "plan.json"
    options = ("-f", "64", "--workers", "50", "--memory", "512GB", "--network", "100Gb/s")
    assert run(["cluster", "plan", *WORK, *options, "--json", str(file)]) == 0
    machines = Machines(50, memory=512e9, network=12.5e9)
    expected = plan(Work(10**9, 10**8, 10**11, 64), machines)
    found = json.loads(file.read_text())
    assert found["bytes_per_iteration"] == expected.bytes_per_iteration
    assert found["memory_bytes"] == expected.memory_bytes
    assert found["groups"] == expected.groups
    printed = " ".join(capsys.readouterr().out.split())
    for text in ("gathered rows", "network", "picked rows", "on 50 machines"):
        assert text in printed


def test_what_does_not_fit_is_said(capsys):
    assert run(["cluster", "plan", *WORK, "--workers", "3"]) == 0
    assert "does not fit 256 GB of memory a machine" in capsys.readouterr().out


@pytest.mark.parametrize("below", ["", "data"])
def test_a_plan_of_blocks_is_counted(below, tmp_path, capsys):
    pytest.importorskip("distributed")
    matrix = sparse.random(200, 90, 0.05, "csr", random_state=0)
    data = Folder(tmp_path / below)
    blocks_of(matrix, 3, data)
    file = tmp_path / "plan.json"
    asked = ["cluster", "plan", str(tmp_path), "--workers", "2", "-f", "10", "--json", str(file)]
    assert run(asked) == 0
    homes = {0: "worker 0", 1: "worker 1", 2: "worker 0"}
    expected = plan_of(data, {"user": 64, "item": 64}, homes=homes)
    found = json.loads(file.read_text())
    assert found["bytes_per_iteration"] == expected.bytes_per_iteration > 0
    assert f"{expected.bytes_per_iteration:,}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "give --users, --items and --entries, or the folder of a fit"),
        (("absent",), "must be an existing folder, got 'absent'"),
        (("folder", "--users", "3"), "--users has no meaning with a folder"),
        (("folder",), "facts.json is missing"),
        ((*WORK, "--memory", "lots"), "--memory must be a size like 256GB or 128GiB, got 'lots'"),
        ((*WORK, "--network", "25GB"), "--network must be a rate like 25Gb/s or 3GB/s"),
        ((*WORK[:4], "--entries", "1e18"), "entries must be at most users x items"),
        ((*WORK, "--workers", "0"), "--workers must be from 1 to 1,000,000, got 0"),
        ((*WORK, "--groups", "0"), "--groups must be from 1 to 1,000, got 0"),
    ],
)
def test_bad_figures_are_refused(given, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert run(["cluster", "plan", *given]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def test_quantities_have_units():
    assert count_of("-n", "1e9") == count_of("-n", "1000000000") == 10**9
    assert bytes_of("-m", "256GB") == bytes_of("-m", "256G") == 256e9
    assert bytes_of("-m", "1.5 GiB") == 1.5 * 2**30
    assert bytes_of("-m", "1000") == 1000
    assert rate_of("-b", "25Gb/s") == 25e9 / 8
    assert rate_of("-b", "3 GB/s") == 3e9
    for text in ("", "0", "-1", "1.5", "nan", "1e999", "0x10", "1_000", "٣"):
        with pytest.raises(InputError):
            count_of("-n", text)
    for text in ("", "0GB", "1e30GB", "GB", "1 G B", "nanGB"):
        with pytest.raises(InputError):
            bytes_of("-m", text)


def test_a_plan_on_paper_needs_no_dask():
    code = (
        "import sys; from halfstep.cli.main import run; "
        f"run(['cluster', 'plan', *{WORK}]); "
        "print(set(sys.modules) & {'dask', 'distributed', 'fsspec'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=path_env(), check=True
    )
    assert done.stdout.strip().endswith("set()")
