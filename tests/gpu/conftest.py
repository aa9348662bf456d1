"""The device that most tests of the GPU rungs run on: emulated, or a card."""

import pytest
from cases.gpu import DEVICES
from cases.gpu import device as on_device


@pytest.fixture(params=["random", DEVICES[-1]])
def device(request):
    with on_device(request.param, multiprocessors=3) as backend:
        yield backend
