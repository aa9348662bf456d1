"""The suite `acceleration`: where a fit passes exact ALS's objective, in iterations and in seconds."""

import math
import re
from io import StringIO

import pytest
from rich.console import Console

from halfstep.bench.contestant_names import EXACT
from halfstep.bench.quality.acceleration import CONTESTANTS, DEFAULT, EARLIER, passes, until
from halfstep.bench.run import run_bench
from halfstep.bench.settings import BenchSettings
from halfstep.errors import InputError


def test_where_a_path_passes_its_target():
    path = [1000.0, 100.0, 10.0, 1.0]
    assert passes(path, math.sqrt(1000.0)) == pytest.approx(2.5)
    assert [passes(path, value) for value in (1000.0, 100.0, 0.5)] == [1.0, 2.0, None]


def test_the_seconds_of_part_of_an_iteration():
    assert until([1.0, 2.0, 4.0], 1.5) == 2.0
    assert [until([1.0, 2.0], n) for n in (2.0, 5.0, math.inf)] == [3.0, 3.0, 3.0]


def test_ours_is_sooner_on_raw_counts(tmp_path):
    settings = BenchSettings(
        suite="acceleration", cells="music-small, raw", factors=(16,), repeats=1, iterations=8,
        out=tmp_path,
    )  # fmt: skip
    results = run_bench(settings, Console(file=StringIO()))
    found = {measure.name: measure for measure in results.measures}
    assert tuple(found) == CONTESTANTS
    assert found[DEFAULT].x < found[EARLIER].x < found[EXACT].x <= 8
    assert found[DEFAULT].x < 0.7 * found[EXACT].x
    assert re.search(
        r"of exact's; NDCG@10 there over exact's there [\d.]+ \(", found[DEFAULT].detail
    )
    assert found[EXACT].speed_up.median == 1
    assert len(found[DEFAULT].seconds) == 1


def test_without_any_data_there_is_nothing_to_run(tmp_path, monkeypatch):
    monkeypatch.delenv("HALFSTEP_DATA", raising=False)
    settings = BenchSettings(suite="acceleration", cells="gowalla", out=tmp_path)
    with pytest.raises(InputError, match="nothing to run: gowalla: real data: name the folder"):
        run_bench(settings, Console(file=StringIO()))
