"""The proof of an installation, with a stand-in for CuPy's compiler."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from halfstep.bench.gpu import install_proof
from halfstep.kernels.cuda.catalogue import CATALOGUE

LOG = """ptxas info    : Compiling entry function 'squared_norms' for 'sm_90'
ptxas info    : Function properties for squared_norms
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 18 registers, used 0 barriers
ptxas info    : Compiling entry function 'heavy_rows' for 'sm_90'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 21 registers, used 0 barriers
"""


class CompileException(Exception):
    pass


@pytest.fixture
def compiler(monkeypatch):
    """CuPy's compiler, which knows sm_75 and sm_90 and refuses what the test adds to `refused`."""
    calls, refused = [], []

    def compile_using_nvrtc(text, options, architecture, name, log_stream):
        calls.append((options, architecture, name))
        if architecture not in ("75", "90") or any(word in options for word in refused):
            raise CompileException("invalid value for --gpu-architecture")
        log_stream.write(LOG)
        return b"", None

    module = SimpleNamespace(
        CompileException=CompileException, compile_using_nvrtc=compile_using_nvrtc
    )
    cupy = ModuleType("cupy")
    nvrtc = SimpleNamespace(getVersion=lambda: (13, 5), NVRTCError=ZeroDivisionError)
    cupy.__version__, cupy.cuda = "14.2.0", SimpleNamespace(nvrtc=nvrtc)
    core = SimpleNamespace(assemble_cupy_compiler_options=lambda options: (*options, "-I/headers"))
    names = {"cupy": cupy, "cupy._core": ModuleType("cupy._core"), "cupy._core.core": core}
    cuda = ModuleType("cupy.cuda")
    cuda.compiler = module
    for name, stand_in in {**names, "cupy.cuda": cuda}.items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    return SimpleNamespace(calls=calls, refused=refused)


def test_every_variant_is_compiled_for_every_card_that_runs_it():
    jobs = install_proof.jobs((75, 90))
    counted = {sm: sum(job.architecture == sm for job in jobs) for sm in (75, 90)}
    tensor = sum(len(s.variants) for s in CATALOGUE.values() if s.least_architecture > 75)
    assert counted[90] == sum(len(s.variants) for s in CATALOGUE.values())
    assert counted[75] == counted[90] - tensor < counted[90]


def test_registers_and_spills_are_read_from_the_log(compiler):
    job = install_proof.jobs((90,), ["heavy.cu"])[0]
    outcome = install_proof.compiled(job)
    assert outcome.error == ""
    assert outcome.kernels == {"squared_norms": (18, 16), "heavy_rows": (21, 0)}
    options, architecture, name = compiler.calls[-1]
    assert (architecture, name) == ("90", "heavy.cu")
    assert {"-std=c++17", "-ftz=true", "-I/headers", f"-D{job.defines[0]}"} <= set(options)


def test_a_variant_that_does_not_compile_says_why(compiler):
    job = install_proof.jobs((90,), ["heavy.cu"])[0]
    compiler.refused.append(f"-D{job.defines[0]}")
    assert "invalid value" in install_proof.compiled(job).error


def test_architectures_that_the_compiler_does_not_know_are_left_out(compiler, capsys):
    assert install_proof.supported((75, 80, 90)) == [75, 90]
    assert install_proof.main(["--architectures", "121"]) == 1
    assert json.loads(capsys.readouterr().out)["architectures"] == []
