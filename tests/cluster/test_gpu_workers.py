"""A GPU rung over two worker processes, each with an emulated device."""

import pytest
from cases.cluster.fits import over, plays
from cases.cluster.workers import workers
from emulator import EmulatorBackend, build

from halfstep import SOLVERS
from halfstep.kernels.cuda.backend import using

SETTINGS = {"factors": 7, "confidence": "log", "regularization": 20.0, "iterations": 2}


def emulate():
    """Give this worker process an emulated device."""
    from emulator.worker import install

    install()


@pytest.mark.kernels
@pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
@pytest.mark.parametrize("solver", ["gpu_cholesky", "gpu_cg_7_half"])
def test_two_emulated_devices_reach_the_objective_of_one(tmp_path, solver):
    matrix = plays(users=300, items=200, entries=3000)
    with workers(2) as client:
        client.run(emulate)
        sharded = over(
            client, matrix, tmp_path, solver=solver, shards=2, calculate_training_loss=True,
            **SETTINGS,
        )  # fmt: skip
    with using(EmulatorBackend(multiprocessors=3)):
        alone = SOLVERS[solver](random_state=0, calculate_training_loss=True, **SETTINGS)
        alone.fit(matrix, show_progress=False)
    assert sharded.loss_history_ == pytest.approx(alone.loss_history_, rel=1e-5)
