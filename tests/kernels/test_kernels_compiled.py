"""What the CUDA compiler makes of the kernels: no spills, and registers that the launches can have."""

from pathlib import Path

import emulator
import pytest

from halfstep.bench.gpu.static import record
from halfstep.bench.gpu.static.compiler import (
    ARCHITECTURES,
    Compiled,
    CompileError,
    compile_kernels,
    nvrtc_version,
    why_not,
)
from halfstep.kernels.cuda import sources
from halfstep.kernels.cuda.catalogue import CATALOGUE

needs_nvrtc = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
# The bytes that are known, by kernel, architecture and numbers in a row.
KNOWN = {("cg_8_stream", 120, 112): 16}
GOOD = Path(emulator.__file__).parent / "kernels_for_tests" / "good.cu"
SPILLING = """
extern "C" __global__ void __launch_bounds__(1024, 2) crowded(const float *x, float *out) {
    float held[128];
#pragma unroll
    for (int i = 0; i < 128; i++) held[i] = x[i * 1024 + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 128; i++) out[i * 1024 + threadIdx.x] = held[i] * held[127 - i];
}
"""


def test_every_kernel_file_is_in_the_catalogue():
    assert set(CATALOGUE) == {file.name for file in sources.FOLDER.rglob("*.cu")}
    assert all(entry.variants and entry.kernels for entry in CATALOGUE.values())


@needs_nvrtc
def test_what_the_compiler_says_is_read():
    found = compile_kernels(GOOD.read_text(), "good.cu", 90, templates=("scale<double>",))
    assert found["reverse_64"].shared == 64 * 4
    assert found["row_sums"].barriers == 1
    assert found["row_sums"].registers > found["scale<double>"].registers > 0
    assert all(kernel.spills == kernel.stack == 0 for kernel in found.values())
    if found["widen"].instructions:  # where the disassembler is
        assert found["widen"].instructions["STG.128"] == 1
        assert found["scale<double>"].instructions == {"LDG.64": 1, "STG.64": 1}


@needs_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_spills_are_seen(architecture):
    assert compile_kernels(SPILLING, "spilling.cu", architecture)["crowded"].spills > 0


@needs_nvrtc
def test_an_error_is_the_compilers_with_its_line():
    with pytest.raises(CompileError, match=r'wrong\.cu\(2\): error: identifier "unknown"'):
        compile_kernels('extern "C" __global__ void k() {\n unknown(); }', "wrong.cu", 90)


def test_the_record_is_written_and_read(tmp_path):
    made = {"nvrtc": "13.0", "variants": {"a": {"source": "s", "kernels": {"k": {"spills": 0}}}}}
    record.write_record(made, tmp_path / "kernels.json")
    assert record.read_record(tmp_path / "kernels.json") == made
    assert record.read_record(tmp_path / "absent.json")["variants"] == {}


def test_only_what_changed_is_compiled_again(monkeypatch):
    wanted = record.variants((90,))[:3]
    monkeypatch.setattr(record, "nvrtc_version", lambda: "13.0")
    asked = []

    def compiled(variant):
        asked.append(variant)
        return {"k": Compiled(registers=32)}

    monkeypatch.setattr(record, "compiled", compiled)
    first = record.make_record({"nvrtc": "", "variants": {}}, wanted)
    assert asked == wanted
    first["variants"][wanted[1].key]["source"] = "of an older text"
    again = record.make_record(first, wanted)
    assert asked[3:] == [wanted[1]]
    assert again["variants"][wanted[1].key]["kernels"]["k"]["registers"] == 32
    assert record.make_record({**again, "nvrtc": "12.9"}, wanted) == again
    assert len(asked) == 7


def test_a_spread_of_variants_has_the_first_and_the_last_of_every_file():
    for file, entry in CATALOGUE.items():
        chosen = [v.defines for v in record.variants((90,)) if v.file == file]
        assert len(chosen) == min(record.PER_FILE, len(entry.variants))
        assert (chosen[0], chosen[-1]) == (entry.variants[0], entry.variants[-1])
    assert len(record.variants((90,), most=None)) == sum(
        len(entry.variants) for entry in CATALOGUE.values()
    )


@pytest.mark.kernels
@needs_nvrtc
def test_no_kernel_spills():
    """Taken from the record where it is of this text and this compiler, compiled where it is not."""
    made = record.make_record(record.read_record(), record.variants())
    spills = {}
    for variant in record.variants():
        kernels = made["variants"][variant.key]["kernels"]
        assert sorted(kernels) == sorted(CATALOGUE[variant.file].kernels)
        for name, facts in kernels.items():
            assert facts["registers"] <= 255
            if facts["spills"] > KNOWN.get((name, variant.architecture, variant.wide), 0):
                spills[f"{name}: {variant.key}"] = facts["spills"]
    assert not spills


@pytest.mark.kernels
@needs_nvrtc
@pytest.mark.parametrize("file", list(CATALOGUE))
def test_the_record_is_what_the_compiler_says(file):
    known = record.read_record()
    if known["nvrtc"] != nvrtc_version():
        pytest.skip(f"the record is by NVRTC {known['nvrtc']}, here is {nvrtc_version()}")
    variant = next(v for v in record.variants((90,)) if v.file == file)
    entry = known["variants"].get(variant.key)
    if entry is None or entry["source"] != variant.digest:
        pytest.skip(f"{file} changed since the record was made: make kernels-record")
    fresh = record.make_record({"nvrtc": "", "variants": {}}, [variant])
    assert fresh["variants"][variant.key] == entry
