"""Replayed iterations whose over-relaxation factor follows the gains."""

import pytest
from cases.gpu import device as on_device
from cases.solvers import awkward
from emulator import build

from halfstep import SOLVERS
from halfstep.kernels.device.options import optional

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not())),
]


@pytest.mark.parametrize("confidence", ["log", "linear"])
def test_they_have_the_bits_of_iterations_that_are_not_replayed(confidence):
    settings = {"factors": 9, "iterations": 9, "random_state": 0, "confidence": confidence}
    fits = []
    with on_device("random", multiprocessors=3) as card:
        for options in (("factor-on-card",), ("factor-on-card", "graph")):
            with optional(*options):
                model = SOLVERS["gpu_cg_6_split"](**settings)
                fits.append(model.fit(awkward(), show_progress=False))
        assert card.replays
    plain, replayed = fits
    assert replayed.relaxation_ == plain.relaxation_
    for side in ("user_factors", "item_factors"):
        assert getattr(replayed, side).tobytes() == getattr(plain, side).tobytes()
