"""What a run on a card compares: rungs with the CPU, what is off by default, the CPU's threads."""

import warnings
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from emulator import EmulatorBackend, build

from halfstep.bench.gpu import parity, plan, scaling
from halfstep.bench.gpu.options import options
from halfstep.bench.gpu.shapes import SHAPES, generate
from halfstep.errors import NumericalWarning
from halfstep.kernels.cuda.backend import using
from halfstep.solvers import SOLVERS

emulated = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))


@pytest.mark.kernels
@emulated
def test_parity_is_by_objective_and_by_ranking(tmp_path, monkeypatch):
    file = tmp_path / "cpu.npz"
    with using(EmulatorBackend()):
        for shape in ("tiny-tastes", "tiny-tastes-raw"):
            said = parity.reference(shape, 8, file)
            found = parity.parity("gpu_cg_7_half", shape, 8, file)
            assert found["equal"], found
            assert abs(found["objective_ratio"] - 1) < parity.HIGHER
            assert found["judged"]
            assert (found["relative_gap"] is None) == bool(SHAPES[shape].tail)
        # Two steps on raw counts end well above the rule: that is recorded, and judges no such rung.
        few = parity.parity("gpu_cg_3_warps", "tiny-tastes-raw", 8, file)
        assert few["objective_ratio"] > 1.05
        assert few["equal"]
        assert not few["judged"]
        # But a rung that ends by the rule is judged by either.
        kept = dict(np.load(file))
        worse = {**kept, "default_objective": 0.9 * said["default_objective"]}
        np.savez(file, **worse)
        assert not parity.parity("gpu_cg_7_half", "tiny-tastes-raw", 8, file)["equal"]
        np.savez(file, **{**kept, "default_ndcg": np.ones_like(kept["default_ndcg"])})
        assert not parity.parity("gpu_cg_7_half", "tiny-tastes-raw", 8, file)["equal"]
        np.savez(file, **{**kept, "exact_objective": 1.0, "default_objective": np.inf})
        assert not parity.parity("gpu_cg_6_split", "tiny-tastes", 8, file)["equal"]


def test_storage_in_16_bits_has_a_margin_of_its_own():
    assert (parity.WITHIN, parity.WITHIN_ROUNDED) == (1e-5, 1e-4)
    rounding = [name for name in plan.gpu_rungs() if plan.rounds(name)]
    assert rounding == ["gpu_cg_9_gramian", "gpu_cg_8_tensor", "gpu_cg_7_half"]


@emulated
def test_options_are_tried_alone_and_together_with_what_they_change():
    matrix, said, on = generate(SHAPES["tiny"]), [], []
    convention = SHAPES["tiny"].convention

    def record(**found):
        said.append(found)

    begin = SOLVERS["gpu_cg_6_split"]._begin

    def warning(self, done):
        warnings.warn("the option was not used", NumericalWarning, stacklevel=2)
        return begin(self, done)

    @contextmanager
    def optional(*names):
        on.append(names)
        if "broken" in names:
            raise RuntimeError("not on this card")
        with pytest.MonkeyPatch.context() as patch:
            if "more" in names:
                patch.setattr(SOLVERS["gpu_cg_6_split"], "_begin", warning)
            if "wrong" in names:
                patch.setattr(SOLVERS["gpu_cg_6_split"], "_omega", lambda self, done: 1.9)
            yield

    descriptions = {
        "none": "does nothing", "wrong": "relaxes too far", "broken": "raises", "more": "needs none",
    }  # fmt: skip
    with using(EmulatorBackend()):
        assert options(matrix, 8, "gpu_cg_6_split", convention, record, SimpleNamespace())
        needs = {"more": ("none",)}
        backend = SimpleNamespace(OPTIONS=descriptions, NEEDS=needs, optional=optional)
        assert not options(matrix, 8, "gpu_cg_6_split", convention, record, backend)
    none, same, wrong, broken, more, together = said
    assert none == {"none": "no options"}
    assert on == [("none",), ("wrong",), ("broken",), ("more", "none"), tuple(descriptions)]
    assert [one["beside"] for one in said[1:]] == [[], [], [], ["none"], []]
    assert (same["warned"], more["warned"]) == ([], ["the option was not used"])
    assert (same["equal"], same["objective_difference"], same["factors_difference"]) == (True, 0, 0)
    assert same["seconds_on"] > 0
    assert not wrong["equal"]
    assert wrong["factors_difference"] > 1e-4
    assert broken["error"] == "RuntimeError: not on this card"
    assert together["option"] == "all"


def test_threads_are_counted_down_and_what_has_no_time_is_said(monkeypatch):
    said = []
    monkeypatch.setattr(scaling.os, "cpu_count", lambda: 2)
    asked = []

    def iteration(name, matrix, factors, convention, threads):
        asked.append((name, threads))
        return 0.5

    monkeypatch.setattr(scaling, "_iteration", iteration)

    def record(**found):
        said.append(found)

    scaling.scaling(None, 8, {}, 100, record)
    ran = [(name, n) for n in (2, 1) for name in ("eigenbasis", "implicit_cpu")]
    available = [pair for pair in ran if SOLVERS[pair[0]].unavailable() is None]
    assert asked == available
    assert [(one["solver"], one["threads"]) for one in said] == ran
    scaling.scaling(None, 8, {}, 0, record)
    assert said[-4]["reason"] == "left out: out of time"
    assert asked == available
