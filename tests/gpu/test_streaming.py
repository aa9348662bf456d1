"""In which order a streamed fit asks for uploads and launches, and from which memory it uploads."""

import numpy as np
import pytest
from cases.gpu import device as on_device
from cases.gpu import rows_of
from emulator.build import EmulatorError

from halfstep import SOLVERS
from halfstep.solvers.gpu.device.streaming import Stream, stored_sides

LENGTHS = (3, 0, 9, 1, 30, 2, 2, 2, 17, 0, 5, 12)
BLOCK = 12  # entries; the longest row is a block of its own


@pytest.fixture
def backend():
    with on_device("forward", late_uploads=True) as found:
        yield found


def users_of(backend, start=0, stop=12, f=5):
    """Return the stream of some rows, and the whole side's solver and factors on the device."""
    model = SOLVERS["gpu_cg_5_binned"](factors=f, confidence="log", regularization=0.3)
    stored, _ = stored_sides(model, rows_of(LENGTHS, 40), lambda: None)
    stream = Stream(backend, stored.facts(), stored, start, stop, BLOCK)
    rng = np.random.default_rng(0)
    return model, stored, stream, rng.normal(size=(40, f)).astype(np.float32)


def weighed(backend, stream):
    """Use each block, and return its arrays on the host."""
    for start, stop, side in stream:
        arrays = (side.indptr, side.indices, side.w, side.t, side.lam)
        yield start, stop, [backend.to_host(array) for array in arrays]


@pytest.mark.parametrize(("start", "stop"), [(0, len(LENGTHS)), (2, 9), (4, 5)])
def test_a_block_has_its_rows_of_the_side(start, stop, backend):
    model, stored, stream, _ = users_of(backend, start, stop)
    weights, _ = model.weights(rows_of(LENGTHS, 40))
    covered = []
    for first, last, (indptr, indices, w, t, lam) in [*weighed(backend, stream)] * 2:
        entries = slice(stored.indptr[first], stored.indptr[last])
        np.testing.assert_array_equal(indptr, stored.indptr[first : last + 1] - entries.start)
        np.testing.assert_array_equal(indices, stored.indices[entries])
        np.testing.assert_allclose(w, weights.w[entries], rtol=1e-6)
        np.testing.assert_allclose(t, weights.t[entries], rtol=1e-6)
        np.testing.assert_array_equal(lam, weights.lam[first:last].astype(np.float32))
        covered += range(first, last)
    assert covered == [*range(start, stop)] * 2


def test_a_block_is_sent_after_the_launches_of_the_one_before_it(backend):
    _, _, stream, _ = users_of(backend)
    assert backend.calls == [("release", 0), ("release", 1)]  # of whatever used this memory before
    backend.calls.clear()
    for _ in range(2):
        for _ in weighed(backend, stream):
            backend.calls.append(("launch", "solve"))
    blocks = len(stream.blocks)
    assert blocks > 4
    expected = []
    for _ in range(2):
        expected += [("upload", 0)] * 4
        for k in range(blocks):
            slot = k % 2
            expected += [
                ("wait", slot),
                ("launch", "weigh"),
                ("launch", "solve"),
                ("release", slot),
            ]
            expected += [("upload", 1 - slot)] * 4 if k + 1 < blocks else []
    assert backend.calls == expected
    assert backend.unlocked == 0


def test_memory_that_launches_may_use_is_not_uploaded_to(backend):
    """The emulator has no streams; it refuses an upload that nothing puts after earlier launches."""
    _, _, stream, _ = users_of(backend)
    backend._released.clear()
    with pytest.raises(EmulatorError, match="an upload to slot 0 that no release orders after"):
        next(iter(stream))
