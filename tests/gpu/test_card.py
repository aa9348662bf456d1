"""On a card: page-locked memory, uploads beside launches, a card that is full, and a shared one."""

import subprocess
import sys

import numpy as np
import pytest
from cases.gpu import device as on_device
from scipy import sparse

from halfstep import SOLVERS
from halfstep.errors import DeviceOutOfMemory

pytestmark = pytest.mark.gpu
# Another process that holds 2 GiB until it may end.
HOLDS = """
import sys
import cupy
held = cupy.zeros(1 << 31, cupy.uint8)
cupy.cuda.Device().synchronize()
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def card():
    with on_device("cupy") as found:
        yield found


@pytest.fixture
def full(card):
    """Leave CuPy a mebibyte beside what it holds."""
    pool = card.cupy.get_default_memory_pool()
    before = pool.get_limit()
    pool.free_all_blocks()
    pool.set_limit(size=pool.total_bytes() + (1 << 20))
    yield card
    pool.set_limit(size=before)


def test_pages_are_locked_and_slots_wait_for_each_other(card):
    """A slot is filled again and again while a launch reads it: no number may come too early."""
    import cupy

    host = [card.page_locked(np.full(1 << 22, k, np.float32)) for k in range(4)]
    for array in host:
        kind = cupy.cuda.runtime.pointerGetAttributes(array.ctypes.data).type
        assert kind == 1  # cudaMemoryTypeHost: page-locked
    slots = [card.empty(1 << 22, np.float32) for _ in range(2)]
    card.release(0)
    card.release(1)
    sums = []
    card.upload(slots[0], host[0], 0)
    for k in range(40):
        slot = k % 2
        card.wait_for_uploads(slot)
        busy = slots[slot]
        for _ in range(4):
            busy = busy * 1.0  # the copy of the next block overtakes none of these
        sums.append((busy.min(), slots[slot].max()))
        card.release(slot)
        card.upload(slots[1 - slot], host[(k + 1) % 4], 1 - slot)
    assert [(float(a), float(b)) for a, b in sums] == [(k % 4, k % 4) for k in range(40)]


def test_a_full_card_is_named(full):
    with pytest.raises(DeviceOutOfMemory, match=r"no room for another .* GB.*this process holds"):
        full.empty(1 << 28, np.float32)
    matrix = sparse.random(4000, 3000, 0.02, format="csr", random_state=0)
    with pytest.raises(DeviceOutOfMemory, match=r"the plan was device 0: .* memory_limit=\d+"):
        SOLVERS["gpu_cg_7_half"](factors=128, iterations=1).fit(matrix, show_progress=False)


def test_another_process_on_the_card_is_counted_and_named(full):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        assert full.held_elsewhere() > 1 << 31
        with pytest.raises(DeviceOutOfMemory, match=r"other processes hold about .* of the device"):
            full.empty(1 << 28, np.float32)
    finally:
        other.communicate("go", timeout=60)


def test_memory_in_other_hands_is_counted(card):
    """The driver and this process's context hold some, and less than the card has."""
    free, total = card.cupy.cuda.runtime.memGetInfo()
    assert 0 <= card.held_elsewhere() < total
    assert card.free_bytes() >= free - (1 << 30)
