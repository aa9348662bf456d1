from importlib import metadata

import numpy as np
import pytest

import halfstep
from halfstep import machine
from halfstep.bench.environment import environment
from halfstep.bench.method.spread import Spread
from halfstep.bench.report import numbers
from halfstep.bench.report.charts import spread_apart
from halfstep.bench.schema import Row, Verdict
from halfstep.cli import doctor


def test_the_environment_outside_a_checkout(monkeypatch, tmp_path):
    package = tmp_path / "site" / "halfstep" / "__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("")
    monkeypatch.setattr(halfstep, "__file__", str(package))
    where = environment()
    assert where.commit == "unknown"
    assert where.dirty is None


def test_a_bare_clone_knows_its_own_version(monkeypatch):
    def absent(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", absent)
    assert machine.versions()["halfstep"] == halfstep.__version__
    assert doctor.examine().packages["halfstep"] == halfstep.__version__
    assert doctor.examine().packages["numpy"] == "not installed"


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("NVIDIA H200, 143771 MiB, 570.10", "NVIDIA H200, 143771 MiB, driver 570.10"),
        ("One, 1 MiB, 1\nTwo, 2 MiB, 1", "One, 1 MiB, driver 1"),
        ("No devices were found", None),
        ("", None),
        (None, None),
    ],
)
def test_the_gpu_is_the_first_that_the_driver_names(monkeypatch, printed, found):
    monkeypatch.setattr(machine, "output_of", lambda *command: printed)
    assert machine.gpu() == found
    assert (doctor.examine().machine["gpu"] == found) == (found is not None)


def test_doctor_and_environment_name_the_same(monkeypatch):
    examined, where = doctor.examine(), environment()
    assert examined.machine["processor"] == where.cpu
    assert examined.packages == {k: v or "not installed" for k, v in where.versions.items()}


def test_cells():
    assert numbers.duration(None) == "–"
    seconds = (123.4, 1.234, 0.01234, 0.0000123)
    assert [numbers.duration(s) for s in seconds] == ["123 s", "1.23 s", "12.3 ms", "12.3 µs"]
    assert numbers.ratio(Spread(2.9, 3.0, 3.14, 3.2, 3.4)) == "3.1× (2.9–3.4)"
    assert numbers.ratio(Spread(90, 95, 123, 150, 1234)) == "120× (90–1,200)"
    assert numbers.percent(0.0000012) == "+0.0001 %"
    assert numbers.percent(-0.25) == "-25 %"
    assert numbers.number(1234567.8) == "1,234,568"
    assert numbers.size(71_000_000) == "71 MB"
    assert numbers.size(1_234_000_000) == "1.23 GB"
    row = Row("x", "rung", "cpu", judgement=Verdict("worse", None, {}))
    assert numbers.verdict(row, "y") == "worse"
    assert numbers.verdict(row, "x") == "reference"
    assert numbers.verdict(Row("x", "rung", "cpu", reason="left out: slow"), "y") == "left out"


def test_labels_are_moved_apart_but_not_past_each_other():
    assert spread_apart([10.0, 50.0], 5) == [10.0, 50.0]
    moved = spread_apart([1.0, 1.0, 2.0, 30.0], 5)
    assert np.all(np.diff(moved) >= 5 - 1e-9)
    assert moved[3] == 30.0
    assert sum(moved[:3]) == pytest.approx(4.0)
    assert spread_apart([], 5) == []
