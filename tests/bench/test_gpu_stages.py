"""The order of a run's parts, and what those say that run other programs."""

import json
import os
import subprocess

import pytest

from halfstep.bench.gpu import plan, second_parts
from halfstep.bench.gpu.parts import PARTS
from halfstep.bench.gpu.process import Place, Stage
from halfstep.bench.gpu.stages import STAGES, sizes


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "out", tmp_path / "data", emulate=True)


def records(place):
    return [json.loads(line) for line in (place.out / "results.jsonl").read_text().splitlines()]


class Imagined(Stage):
    """A stage whose parts all end at once; it notes them."""

    def run(self, limit, *part):
        self.limits[part] = limit
        return 1 if part == ("smoke", self.wrong) else 0

    def start(self, *part, limit=None):
        self.limits[part] = None

    def wait(self, limit, name, process):
        return 0


def imagined(place, name, wrong=None):
    stage = Imagined(place, seconds=540)
    stage.limits, stage.wrong = {}, wrong
    STAGES[name](stage, sizes(emulate=False))
    return list(stage.limits), stage.limits


def test_the_first_stage_is_in_order_of_value(place):
    parts, _ = imagined(place, "first", wrong="gpu_cg_6_split")
    contests = [part[1:3] for part in parts if part[0] == "contest"]
    shapes = ("lastfm-360k", "lastfm-360k-raw", "movielens-20m", "music-full")
    assert contests[:2] == [("lastfm-360k", 128), ("lastfm-360k-raw", 128)]
    assert sorted(contests) == sorted((shape, f) for shape in shapes for f in (64, 128, 256))
    kinds = list(dict.fromkeys(part[0] for part in parts if part[0] not in ("data", "reference")))
    assert kinds[:4] == ["environment", "compile", "smoke", "ceilings"]
    assert kinds.index("timeline") < kinds.index("contest")
    assert {part[1] for part in parts if part[0] == "smoke"} == set(plan.gpu_rungs())
    # Only what is right is timed; the others are.
    timed = {name for part in parts if part[0] == "contest" for name in part[4:]}
    assert timed == set(plan.gpu_rungs()) - {"gpu_cg_6_split"}
    assert {part[2] for part in parts if part[0] == "parity"} == {"tastes", "tastes-raw"}


def test_the_second_stage_leaves_out_what_takes_minutes(place):
    parts, limits = imagined(place, "second")
    kinds = list(dict.fromkeys(part[0] for part in parts))
    assert kinds == [
        "data", "compile", "tests", "sanitize", "profile", "queries", "streaming", "half"
    ]  # fmt: skip
    assert not {"billion", "hundred-million"} & {str(word) for part in parts for word in part}
    assert all(limit is None or limit <= 150 for limit in limits.values())


TOOL = """#!/bin/sh
echo "$@" > {said}
echo "========= ERROR SUMMARY: 0 errors"
exit 0
"""


def test_the_sanitizer_sees_every_array_and_its_whole_report_is_kept(place, tmp_path, monkeypatch):
    said = tmp_path / "said"
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(TOOL.format(said=said))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert PARTS["sanitize"](place, "memcheck", "gpu_cholesky") == 0
    assert "--padding 256" in said.read_text()
    assert said.read_text().rstrip().endswith("one small gpu_cholesky")
    (line,) = records(place)
    assert (line["exit_code"], line["said"]) == (0, ["========= ERROR SUMMARY: 0 errors"])
    assert "ERROR SUMMARY" in (place.out / "sanitizer.txt").read_text()


def test_tests_that_take_too_long_leave_what_they_said(place, monkeypatch):
    asked = []

    def late(command, **_):
        asked.append(command)
        raise subprocess.TimeoutExpired(
            command, 1, output=b"FAILED tests/gpu/test_x.py::y\n3 passed"
        )

    monkeypatch.setattr(second_parts.subprocess, "run", late)
    assert PARTS["tests"](place) == 1
    (line,) = records(place)
    assert line["exit_code"] == 124
    assert (line["said"], line["failed"]) == (["3 passed"], ["FAILED tests/gpu/test_x.py::y"])
    (command,) = asked
    assert command[command.index("--dist") + 1] == "load"
    assert command[command.index("-W") + 1] == "default"
    assert "junit" in " ".join(command)
