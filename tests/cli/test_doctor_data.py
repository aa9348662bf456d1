"""What the doctor says of data: how heavy its weights are, and how many steps its rows will take."""

import json
import re

import numpy as np
import pytest

from halfstep.cli.main import run
from halfstep.cli.show_heaviness import _tried, advise
from halfstep.evaluation.heaviness import Quantiles
from halfstep.evaluation.step_forecast import StepForecast


def told(capsys, *arguments):
    assert run(["doctor", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_data_that_is_heavy_and_data_that_is_mild(capsys, tmp_path):
    said = tmp_path / "said.json"
    printed = told(capsys, "--data", "plays-small", "--factors", 16, "--json", said)
    assert "plays-small: 2,000 users x 4,000 items" in printed
    assert "solver=" not in printed  # of the machine it says nothing
    found = json.loads(said.read_text())
    assert found["convention"]["factors"] == 16
    assert found["weights"]["excess"]["largest"] == 499_999
    assert found["users"]["mean_steps"] > 2.5
    assert found["users"]["steps_99"] > 5
    assert printed.endswith(found["advice"] + "\n")

    mild = ("--confidence", "log", "--regularization", 20)
    printed = told(capsys, "--data", "music-small", "--factors", 16, *mild)
    assert "confidence log" in printed
    assert re.search(r"\n(mild: 99 % of the rows are done after 2 steps|exact .*)\n$", printed)


def test_every_option_reaches_the_data(capsys, tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 40, (600, 2))
    plays = tmp_path / "plays.csv"
    plays.write_text("".join(f"{u},{i},{1 + (u * i) % 7}\n" for u, i in rows))

    def found(*options):
        told(capsys, "--data", plays, "--factors", 3, *options, "--json", tmp_path / "said.json")
        result = json.loads((tmp_path / "said.json").read_text())
        for side in ("users", "items"):
            del result[side]["seconds"], result[side]["seconds_exact"]
        return {k: result[k] for k in ("weights", "users", "items")}

    plain = found()
    assert found("--threads", 1) == plain
    log = ("--confidence", "log")
    binary = ("--confidence", "binary")
    for before, option in (
        ((), ("--factors", 4)),
        ((), ("--regularization", 3)),
        ((), ("--regularization-exponent", 1)),
        ((), log),
        ((), ("--alpha", 3)),
        (log, ("--epsilon", 9)),
        (binary, ("--background", 0.5)),
        ((), ("--seed", 7)),
    ):
        assert found(*before, *option) != found(*before), option


def test_options_of_the_data_without_data_are_refused(capsys):
    assert run(["doctor", "--factors", "8"]) == 2
    assert "--factors has no meaning without --data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--data", "absent.csv"), "absent.csv"),
        (("--data", "music-small", "--confidence", "loud"), "confidence"),
        (("--data", "music-small", "--factors", "0"), "factors"),
        (("--data", "music-small", "--background", "1"), "background"),
        (("--data", "music-small", "--alpha", "1e36"), "must fit float32"),
        (("--data", "music-small", "--alpha", "1e34"), "out of range"),
        (("--data", "music-small", "--json", "/nowhere/x.json"), "--json"),
    ],
)
def test_bad_arguments_about_data(arguments, word, capsys):
    assert run(["doctor", *arguments]) == 2
    said = capsys.readouterr().err
    assert word in said
    assert len(said.strip().splitlines()) == 1


def forecast(**figures):
    usual = {
        "rows": 100, "of": 100, "entries": 1000, "pull": Quantiles(0, 0, 0), "mean_steps": 1.0,
        "steps_99": 1, "beyond_two": 0.0, "most": 32, "unsolved": 0, "completed": 0,
        "seconds": 1.0, "seconds_exact": 2.0,
    }  # fmt: skip
    return StepForecast(**{**usual, **figures})


def test_advice():
    mild = forecast(steps_99=3)
    assert advise(mild, forecast()).startswith("mild: 99 % of the rows are done after 3 steps")
    assert advise(mild, forecast(steps_99=9, beyond_two=0.25)).startswith(
        "heavy: 99 % of the rows are done after 9 steps"
    )
    assert "0% of the users and 25%" in advise(mild, forecast(steps_99=9, beyond_two=0.25))
    assert "cg_max_steps" in advise(mild, forecast(unsolved=6, steps_99=32))
    assert "cg_max_steps" not in advise(mild, forecast(unsolved=5, steps_99=32))
    assert advise(mild, forecast(seconds_exact=0.01, seconds=9)).startswith("exact half-steps")


def test_what_is_tried_is_said():
    assert "all 100 rows" in _tried(forecast())
    assert "100 of 900 rows" in _tried(forecast(of=900))
    assert "an exact half-step takes 2.0 times as long" in _tried(forecast())
    assert "7 end unsolved after 32" in _tried(forecast(unsolved=7))
    assert "5 are then solved exactly" in _tried(forecast(completed=5))
    assert "solved" not in _tried(forecast())
    assert "few entries that they are solved exactly" in _tried(
        forecast(steps_99=0, mean_steps=0.0)
    )
