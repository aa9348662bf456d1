"""Kernels are compiled before the first iteration, several at once, and the progress line says so."""

from unittest import mock

import pytest
from cases.solvers import GPU_RUNGS, awkward
from emulator import EmulatorBackend, build
from emulator import backend as emulated

from halfstep import SOLVERS, SolverUnavailable
from halfstep.kernels.cuda.backend import CupyBackend, using
from halfstep.progress import Advance
from halfstep.solvers.gpu import cg_6_split

# What copies the entries to the device and weighs them there, before there is a progress line.
UPLOADS = {"transpose.cu", "weigh.cu"}


@pytest.fixture
def fresh():
    """A device on which nothing is compiled yet."""
    if build.why_not():
        pytest.skip(build.why_not())
    with mock.patch.dict(emulated._modules, clear=True), using(EmulatorBackend()) as backend:
        yield backend


@pytest.mark.parametrize(
    "settings",
    [{"confidence": "log"}, {"confidence": "explicit", "regularization_exponent": 0.5}],
    ids=["log", "explicit"],
)
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_a_fit_launches_nothing_that_was_not_compiled_before(name, settings, fresh, monkeypatch):
    monkeypatch.setattr(cg_6_split, "LONGEST", 20)
    model = SOLVERS[name](factors=7, iterations=1, calculate_training_loss=True, **settings)
    model.fit(awkward(), show_progress=False)
    launched = {(launch.file, launch.defines) for launch in fresh.launches}
    after = {variant for variant in launched if variant[0] not in UPLOADS}
    assert after
    assert after <= set(fresh.compiled), sorted(after - set(fresh.compiled))
    assert len(set(fresh.compiled)) == len(fresh.compiled)
    before = len(fresh.compiled)
    model.fit(awkward(), show_progress=False)
    assert len(fresh.compiled) == before


def test_the_progress_line_says_what_is_compiled(fresh):
    lines = []
    with mock.patch("halfstep.solvers.fit.run.progress_bar") as bar:
        bar.return_value.__enter__.return_value = Advance(
            lambda **change: lines.append(change.get("description")), "als"
        )
        for _ in range(2):
            SOLVERS["gpu_cg_3_warps"](factors=7, iterations=1).fit(awkward())
    assert lines == ["als: compiling 2 kernel files", "als", None, None]


def test_a_file_that_the_compiler_refuses_is_named(monkeypatch):
    class CompileException(Exception):
        pass

    class Module:
        def compile(self):
            raise CompileException("error: no such thing\nat line 3")

    backend = CupyBackend.__new__(CupyBackend)
    backend._source, backend._modules, backend._functions = (lambda file: "text"), {}, {}
    backend.cupy = mock.Mock(RawModule=lambda code, options: Module())
    backend.device = mock.MagicMock()
    backend.device.__exit__.return_value = False
    with pytest.raises(SolverUnavailable, match=r"audit.cu does not compile .*F=8: error: no such"):
        backend.compile([("audit.cu", ("F=8",)), ("tally.cu", ("REAL=float",))])
