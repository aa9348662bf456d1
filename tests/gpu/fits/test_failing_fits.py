"""Fits on a device that fails on the way: what they say, what is left of them, and how they go on."""

import numpy as np
import pytest
from cases.gpu import device as on_device
from cases.solvers import awkward
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import DeviceLost, DeviceOutOfMemory, NotEnoughMemory, NotFitted
from halfstep.solvers.gpu.device import memory as gpu_memory

GB = 10**9


@pytest.fixture
def small_world(monkeypatch):
    """Let the plan count what these small fits need, not what a card's libraries take."""
    monkeypatch.setattr(gpu_memory, "_FIXED", 0)
    monkeypatch.setattr(gpu_memory, "_SMALLEST_BLOCK", 64)


SETTINGS = {"factors": 7, "iterations": 4, "random_state": 0, "relaxation": 1.0}


def fitted(backend, fails_in, how, matrix=None, **fit):
    """Return a model, and what fits it on a device that fails in an iteration."""
    matrix = awkward() if matrix is None else matrix
    model = SOLVERS["gpu_cg_5_binned"](**SETTINGS)
    model.fit_callback = lambda iteration, *_: how(backend) if iteration == fails_in - 1 else None
    return model, lambda: model.fit(matrix, show_progress=False, **fit)


def lose(backend):
    backend.lost = DeviceLost("the CUDA device has failed (as asked): this process cannot use it")


def test_a_lost_device_s_fit_goes_on_from_its_checkpoint(tmp_path):
    file = tmp_path / "fit.checkpoint"
    with on_device("forward") as backend:
        model, fit = fitted(backend, 2, lose, checkpoint=file)
        said = rf"iteration 2: the CUDA device has failed .*; checkpoint '{file}' is kept: in a new"
        with pytest.raises(DeviceLost, match=said) as caught:
            fit()
    assert f"fit(..., checkpoint='{file}', resume=True) goes on" in str(caught.value)
    assert model.user_factors is model.item_factors is None
    with pytest.raises(NotFitted):
        model.recommend(0, awkward()[0])
    with on_device("forward"):
        whole = SOLVERS["gpu_cg_5_binned"](**SETTINGS).fit(awkward(), show_progress=False)
        again = SOLVERS["gpu_cg_5_binned"](**SETTINGS)
        again.fit(awkward(), show_progress=False, checkpoint=file, resume=True)
    assert len(again.seconds_) == 4
    np.testing.assert_array_equal(again.item_factors, whole.item_factors)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_lost_device_without_a_checkpoint_says_what_would_have_helped(
    streamed, tmp_path, small_world
):
    with on_device("forward") as backend:
        model, fit = fitted(backend, 1, lose)
        if streamed:
            model.set_params(devices=[0])
        with pytest.raises(DeviceLost, match="are lost with the device; in a new process, fit"):
            fit()
        backend.lost = None
        _, fit = fitted(backend, 0, lose, checkpoint=tmp_path / "none")
        lose(backend)
        with pytest.raises(DeviceLost, match="the CUDA device has failed"):
            fit()
    assert not (tmp_path / "none").exists()


def test_no_room_in_mid_fit_names_the_plan_and_a_limit_that_fits(small_world):
    crowded = sparse.random(70, 60, 0.9, format="csr", random_state=0)

    def fill(backend):
        # Another process takes all but a part of what the fit has.
        backend.device.memory = backend.device.used + 3000

    with on_device("forward", memory=10**6) as backend:
        model, fit = fitted(backend, 1, fill, crowded)
        with pytest.raises(DeviceOutOfMemory) as caught:
            fit()
        said = str(caught.value)
        assert "out of memory allocating" in said
        assert "(in iteration 1); the plan was device 0: " in said
        assert "stored entries" in said
        assert model.user_factors.shape == (70, 7)  # of the last whole iteration
        limit = int(said.split("memory_limit=")[1].split()[0])
        assert 0 < limit < backend.device.memory
        del model, fit, caught
        backend.device.peak = backend.device.used
        smaller = SOLVERS["gpu_cg_5_binned"](**SETTINGS, memory_limit=limit)
        smaller.fit(crowded, show_progress=False)
        assert backend.uploads
        assert backend.device.peak <= backend.device.memory


def test_no_room_for_the_entries_names_the_plan():
    with on_device("forward", memory=8000) as backend:
        backend.free_bytes = lambda: GB  # as when another process takes the rest meanwhile
        with pytest.raises(
            DeviceOutOfMemory, match=r"\(when the stored entries were copied there\)"
        ):
            SOLVERS["gpu_cg_5_binned"](factors=7).fit(awkward(), show_progress=False)


def test_a_plan_that_others_leave_no_room_for_says_so():
    with on_device("forward", memory=10**7) as backend:
        for held, said in ((20 * GB, True), (GB // 2, False)):
            backend.elsewhere = held
            with pytest.raises(NotEnoughMemory) as caught:
                SOLVERS["gpu_cg_5_binned"](factors=7).fit(awkward(), show_progress=False)
            assert ("other processes hold about 20.0 GB" in str(caught.value)) == said
            assert isinstance(caught.value, InputError)
