"""What surrounds the half-steps, each kernel file by itself: weights, audit, top-k, ranking ..."""

import pytest
from cases.gpu import DEVICES, backend_of
from cases.gpu_kernels import AROUND

# By default the emulator runs these kernels in tests of their own.
ON = [pytest.param(order, marks=pytest.mark.kernels) for order in DEVICES[:-1]]


@pytest.mark.parametrize("on", [*ON, DEVICES[-1]])
@pytest.mark.parametrize("name", AROUND)
def test_a_kernel_is_the_host_s(name, on):
    backend = backend_of(on, multiprocessors=3)
    AROUND[name](backend)
    assert backend.launches
