"""The emulated device that most tests of the GPU rungs run on."""

import pytest
from emulator import EmulatorBackend, build

from halfstep.kernels.cuda.backend import using


@pytest.fixture
def device():
    if build.why_not() is not None:
        pytest.skip(build.why_not())
    with using(EmulatorBackend(order="random")) as backend:
        yield backend
