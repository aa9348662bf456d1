"""Many factors, and hubs of hundreds of parts: the sizes at which the rungs' layouts change.

The emulator takes minutes for the largest numbers of factors, which `make kernels` runs; a card takes
all of them.
"""

import pytest
from cases.gpu import DEVICES, error_of, tolerance
from cases.gpu import device as on_device
from cases.solvers import GPU_RUNGS

from halfstep.solvers.gpu import cg_6_split, cholesky

FAST = [name for name in GPU_RUNGS if name not in ("gpu_cg_1_naive", "gpu_cg_2_whitened")]
SPLIT = ("gpu_cg_6_split", "gpu_cg_7_half")
slow = pytest.mark.kernels
LENGTHS = (0, 1, 3, 16, 33, 70, 0, 130, 300)
SMALL = {"lengths": LENGTHS, "columns": 1100}
# Rows that take more than 256 parts of the usual size.
LONG = {"lengths": (0, 5, 300_000, 70, 263_000), "columns": 310_000}


@pytest.mark.parametrize("on", [pytest.param("forward", marks=slow), DEVICES[-1]])
@pytest.mark.parametrize("f", [100, 200, 256, 512, 1024])
@pytest.mark.parametrize("name", GPU_RUNGS)
def test_many_factors(name, f, on):
    with on_device(on):
        # A product of the Gramian and a vector rounds with each of its f terms.
        assert error_of(name, f, exponent=0.5, **SMALL) < max(2, f / 128) * tolerance(name)


@pytest.mark.parametrize("on", [pytest.param("forward", marks=slow), DEVICES[-1]])
@pytest.mark.parametrize("f", [256, 512])
@pytest.mark.parametrize("name", ["gpu_cholesky", "gpu_cg_6_split"])
def test_many_factors_in_float64(name, f, on):
    with on_device(on):
        assert error_of(name, f, dtype="float64", **SMALL) < tolerance(name, "float64")


@pytest.mark.parametrize("on", [pytest.param("forward", marks=slow), DEVICES[-1]])
@pytest.mark.parametrize("f", [64, 130, 256, 1024])
def test_bfloat16_of_many_factors(f, on):
    """8 binary digits of the fixed side, where float16 has 11."""
    with on_device(on):
        worst = error_of("gpu_cg_7_half", f, storage="bfloat16", **SMALL)
    assert worst < 8 * tolerance("gpu_cg_7_half")
    assert worst > 2.0**-12  # it was rounded


@pytest.mark.parametrize("on", ["forward", DEVICES[-1]])
@pytest.mark.parametrize("name", SPLIT)
def test_hubs_of_more_parts_than_a_row_has_by_default(name, on, monkeypatch):
    monkeypatch.setattr(cg_6_split, "LONGEST", 200)
    monkeypatch.setattr(cg_6_split, "_PART", 1)
    monkeypatch.setattr(cg_6_split, "_PARTS", 290)
    with on_device(on) as backend:
        assert error_of(name, 33, **SMALL) < tolerance(name)
    parts = [launch.grid[0] for launch in backend.launches if launch.kernel == "cg_6_product"]
    assert max(parts) == 290


@pytest.mark.parametrize("on", ["forward", DEVICES[-1]])
def test_exact_hubs_of_hundreds_of_parts(on, monkeypatch):
    monkeypatch.setattr(cholesky, "HUB", 200)
    monkeypatch.setattr(cholesky, "PART", 1)
    with on_device(on) as backend:
        assert error_of("gpu_cholesky", 33, **SMALL) < tolerance("gpu_cholesky")
    parts = [launch.grid[0] for launch in backend.launches if launch.kernel == "cholesky_hub_part"]
    assert max(parts) == 300


# The first two rungs, a block a row with two barriers an entry, would take half a minute.
@pytest.mark.gpu
@pytest.mark.parametrize("name", FAST)
def test_rows_of_hundreds_of_thousands_of_entries(name):
    """Sums of float32 of so many numbers: one after another in the lanes of a single warp."""
    with on_device("cupy"):
        assert error_of(name, 33, **LONG) < 20 * tolerance(name)


def test_what_is_large_here_is_large_for_the_rungs():
    assert max(LONG["lengths"]) > cg_6_split._PARTS * cg_6_split._PART > cholesky.HUB
