"""What the rehearsal of a run takes for a good one, and the environment that it makes."""

import pytest

from halfstep.bench.gpu.process import Place
from halfstep.bench.gpu.rehearsal import replica
from halfstep.bench.gpu.rehearsal.run import check_stage
from halfstep.bench.gpu.results.collect import read_lines


def rehearsed(tmp_path, name="first", **changes):
    parts = [
        ("hanging", {"processes": [2**22 + 1]}),
        ("ended", {"name": "crash", "code": -11, "timed_out": False, "seconds": 1.0}),
        ("ended", {"name": "hang", "code": None, "timed_out": True, "seconds": 6.0}),
        ("ended", {"name": "garbage", "code": 3, "timed_out": False, "seconds": 1.0}),
        *((part, {}) for part in ("environment", "tools", "data", "reference", "smoke", "right")),
        *((part, {}) for part in ("timeline", "parity", "contest", "options", "scaling")),
        ("left_out", {"name": "ceilings", "reason": "no speeds"}),
    ]
    parts = [
        (part, {**found, **changes.get(part, {})})
        for part, found in parts
        if part != changes.get("less")
    ]
    failed = changes.get("failed", ("crash", "hang", "garbage"))
    place = Place(tmp_path, tmp_path, emulate=True)
    for part, found in (*parts, ("done", {"seconds": 100.0, "failed": list(failed)})):
        place.record(part, **found)
    lines, torn = read_lines(tmp_path / "results.jsonl")
    claims = check_stage(name, changes.get("code", 1), lines, torn or changes.get("torn", ["one"]))
    return [said for said, holds in claims if not holds]


def test_a_good_rehearsal_holds(tmp_path):
    assert rehearsed(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"less": "contest"}, "contest left results"),
        ({"code": 0}, "exit code 1"),
        ({"torn": []}, "torn line"),
        ({"torn": ["one", "two"]}, "torn line"),
        ({"failed": ("crash", "hang", "garbage", "smoke x")}, "only what is broken failed"),
        ({"ended": {"timed_out": False}}, "killed at its limit"),
        ({"ended": {"code": 0}}, "death by signal"),
        ({"left_out": {"reason": "out of time"}}, "want of time"),
        ({"left_out": {"reason": ""}}, "says why"),
        ({"smoke": {"error": "E"}}, "no part has an error"),
        ({"less": "hanging"}, "and so are its processes"),
    ],
)
def test_a_bad_rehearsal_is_noticed(tmp_path, changes, said):
    assert any(said in claim for claim in rehearsed(tmp_path, **changes))


def pip(monkeypatch, tmp_path, lacking):
    """Let the installer lack versions; return the packages that it was asked for, each time."""
    asked = []

    class Done:
        def __init__(self, code, said=""):
            self.returncode, self.stderr, self.stdout = code, said, ""

    def run(command, **_):
        if "venv" in command:
            (tmp_path / "venv").mkdir()
            return Done(0)
        wanted = command[command.index("--disable-pip-version-check") + 1 :]
        asked.append(wanted)
        missing = next((name for name in lacking if name in wanted), None)
        words = f"ERROR: No matching distribution found for {missing}"
        return Done(1, words) if missing else Done(0)

    monkeypatch.setattr(replica.subprocess, "run", run)
    return asked


def test_versions_that_are_not_for_this_python_are_relaxed_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(replica, "python_like", lambda: ("python3.11", (3, 11)))
    asked = pip(monkeypatch, tmp_path, ["numpy==2.5.2", "scipy==1.18.1"])
    said = replica.prepare(tmp_path / "venv")
    assert said == [
        "Python 3.11 instead of 3.12, which is not here",
        "any numpy instead of numpy==2.5.2, which this Python does not have",
        "any scipy instead of scipy==1.18.1, which this Python does not have",
    ]
    assert len(asked) == 3
    assert {"numpy", "scipy", "numba==0.68.1"} <= set(asked[-1])
    assert replica.prepare(tmp_path / "venv") == said  # and not made again
    assert len(asked) == 3


def test_an_environment_that_cannot_be_made_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(replica, "python_like", lambda: ("python3.12", (3, 12)))
    pip(monkeypatch, tmp_path, ["pandas"])
    with pytest.raises(RuntimeError, match=r"cannot install the machine's packages.*pandas"):
        replica.prepare(tmp_path / "venv")


def test_the_nearest_python_is_taken(monkeypatch):
    there = {"a": (3, 10), "b": (3, 13), "c": (2, 7), "d": None}
    monkeypatch.setattr(replica, "_interpreters", lambda: iter(there))
    monkeypatch.setattr(replica, "_version", there.get)
    assert replica.python_like() == ("b", (3, 13))
    there["e"] = (3, 12)
    assert replica.python_like() == ("e", (3, 12))
