"""What the host of a GPU fit waits for, through the emulator, and rows that turn NaN on the way."""

import numpy as np
import pytest
from cases.solvers import GPU_RUNGS, awkward
from emulator import EmulatorBackend, build

from halfstep import SOLVERS
from halfstep.errors import NotFinite
from halfstep.kernels.cuda.backend import using
from halfstep.solvers.gpu.device.board import Board

COMMON = {"factors": 7, "random_state": 0, "confidence": "log", "regularization": 0.3}


def reads_of_an_iteration(name, device, **settings):
    """Return how often the host waits for a copy in one iteration, without the hubs' flags."""
    reads = []
    SOLVERS[name](**COMMON, iterations=3, **settings).fit(
        awkward(), show_progress=False, callback=lambda *_: reads.append(device.reads)
    )
    assert reads[2] - reads[1] == reads[1] - reads[0]
    return reads[2] - reads[1]


@pytest.mark.parametrize("name", [name for name in GPU_RUNGS if "cg" in name])
def test_the_host_reads_two_gramians_and_the_board_in_an_iteration(name, device):
    assert reads_of_an_iteration(name, device) == 3


@pytest.mark.parametrize("rows", [0, 1, 9, 3000])
def test_the_board_tells_the_first_row_of_each_side(rows, device):
    X, Y = (np.ones((rows, 7), np.float32) for _ in range(2))
    Y[rows // 2 :, 3] = np.inf
    board = Board(device)
    first = board.look(0, device.to_device(X))
    second = board.look(1, device.to_device(Y))
    before = device.reads
    assert first() is None
    assert second() == (rows // 2 if rows else None)
    assert device.reads == before + 1
    X[-1:] = np.nan
    assert board.look(0, device.to_device(X))() == (rows - 1 if rows else None)


def broken(name, when, row):
    """Return a rung whose half-step number `when`, from 1, turns a row NaN."""

    class Broken(SOLVERS[name]):
        calls = 0

        def _finish(self, backend, fixed, x):
            solution = backend.to_host(super()._finish(backend, fixed, x))
            self.calls += 1
            if self.calls == when:
                solution[row] = np.nan
            return backend.to_device(solution)

    return Broken


@pytest.mark.parametrize("confidence", ["log", "explicit"])
@pytest.mark.parametrize("exponent", [0.0, 0.5])  # by Cholesky, and by eigenvectors
@pytest.mark.parametrize(("when", "side", "row"), [(3, "user", 31), (4, "item", 9)])
@pytest.mark.parametrize("name", ["gpu_cg_3_warps", "gpu_cg_7_half", "gpu_cholesky"])
def test_a_row_that_turns_nan_is_named_with_its_half_step(
    name, when, side, row, exponent, confidence, device
):
    """Also the user's, although the items' half-step has begun with it."""
    settings = {**COMMON, "confidence": confidence, "regularization_exponent": exponent}
    model = broken(name, when, row)(**settings, iterations=4)
    with pytest.raises(NotFinite) as caught:
        model.fit(awkward(), show_progress=False)
    error = caught.value
    assert (error.side, error.row, error.iteration) == (side, row, 1)
    assert str(error) == f"iteration 1: the {side} factors of row {row} are not finite"
    good = SOLVERS[name](**settings, iterations=1).fit(awkward(), show_progress=False)
    np.testing.assert_array_equal(model.user_factors, good.user_factors)
    np.testing.assert_array_equal(model.item_factors, good.item_factors)


@pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
def test_two_devices_name_the_row_as_well():
    model = broken("gpu_cg_5_binned", 5, 20)(**COMMON, iterations=4, devices=[0, 1])
    backends = [EmulatorBackend(ordinal=k) for k in range(2)]
    with (
        using(*backends),
        pytest.raises(NotFinite, match="iteration 1: the user factors of row 20"),
    ):
        model.fit(awkward(), show_progress=False)
