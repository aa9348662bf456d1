"""How CuPy is asked for a recording, with a stand-in for it; and recordings on a card."""

import os
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from cases.fake_cupy import FULL, GB, cupy_that, raising
from cases.gpu import device as on_device
from cases.solvers import awkward

from halfstep import SOLVERS
from halfstep.kernels.cuda.backend import CupyBackend
from halfstep.kernels.device import dense, graphs
from halfstep.kernels.device.graphs import NotRecorded
from halfstep.kernels.device.libraries import WORKSPACE_BYTES
from halfstep.kernels.device.options import optional


class Recorder:
    """What is asked of a CuPy whose streams are recorded."""

    def __init__(self, room=True):
        self.said = []
        self.cupy = cupy_that(Stream=self.stream)
        self.cupy.get_default_memory_pool = lambda: SimpleNamespace(
            free_all_blocks=lambda: self.said.append("free"), total_bytes=lambda: 0
        )
        cuda = self.cupy.cuda
        cuda.MemoryPool = lambda allocator: SimpleNamespace(
            malloc=allocator, total_bytes=lambda: 3 * GB
        )
        cuda.Memory = (lambda nbytes: nbytes) if room else raising(FULL)
        cuda.MemoryPointer = lambda memory, offset: memory
        cuda.using_allocator = self.allocator
        self.allocate = None
        self.cupy.empty = self.empty
        self.handles = SimpleNamespace(use=lambda *args: self.said.append("use"))

    def empty(self, shape, dtype):
        if self.allocate is not None:
            self.allocate(shape)
        return SimpleNamespace(data=SimpleNamespace(ptr=1 << 40), nbytes=shape)

    def stream(self, non_blocking):
        assert non_blocking  # the legacy stream cannot be recorded
        return Stream(self.said)

    @contextmanager
    def allocator(self, allocate):
        self.said.append("own memory")
        self.allocate = allocate
        try:
            yield
        finally:
            self.allocate = None
            self.said.append("memory as before")


class Stream:
    ptr = 7

    def __init__(self, said):
        self.said = said

    def __enter__(self):
        self.said.append("stream")

    def __exit__(self, *error):
        self.said.append("stream as before")

    def begin_capture(self):
        self.said.append("begin")

    def end_capture(self):
        self.said.append("end")
        if "wrong" in self.said:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return SimpleNamespace(launch=lambda: self.said.append("launch"))


@pytest.fixture
def recorder(monkeypatch):
    def made(**settings):
        recorder = Recorder(**settings)
        monkeypatch.setitem(sys.modules, "cupy", recorder.cupy)
        monkeypatch.setattr(graphs, "Libraries", lambda: recorder.handles)
        monkeypatch.setattr(graphs, "_load", lambda *args: recorder.said.append("load"))
        return recorder, CupyBackend(0)

    return made


def test_a_region_is_recorded_on_a_stream_and_from_memory_of_its_own(recorder):
    recorder, backend = recorder()

    def region():
        recorder.said.append(("region", backend.recording))
        return 5

    replay, result = backend.record(region)
    before = ["free", "own memory", "stream", "use"]
    whole = ["begin", ("region", True), "end", "stream as before", "memory as before"]
    assert (result, backend.recording) == (5, False)
    assert recorder.said == [*before, "load", *whole]
    recorder.said.clear()
    replay()
    replay()
    assert recorder.said == ["launch", "launch"]
    recorder.said.clear()
    backend.record(region)
    assert recorder.said == [*before, *whole]  # the libraries are loaded once


def test_a_region_that_fails_ends_its_recording(recorder):
    recorder, backend = recorder()

    def region():
        recorder.said.append("wrong")
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        backend.record(region)
    assert recorder.said[-4:] == ["wrong", "end", "stream as before", "memory as before"]
    assert not backend.recording


def test_a_pool_without_room_does_not_free_what_is_recorded(recorder):
    """CuPy's pool frees its unused blocks where the allocator's error is CuPy's own."""
    _, backend = recorder(room=False)
    with pytest.raises(NotRecorded, match=f"no room for {WORKSPACE_BYTES} bytes of its own"):
        backend.record(lambda: None)
    assert not backend.recording


def test_what_is_recorded_is_asked_of_the_libraries(recorder, monkeypatch):
    recorder, backend = recorder()
    given = []
    monkeypatch.setattr(dense, "product", lambda *args, **named: given.append(named["libraries"]))
    monkeypatch.setattr(dense, "gram", lambda cupy, Y, libraries: given.append(libraries))

    def region():
        backend.product(1, 2)
        backend.gram(1)
        with backend.on_card() as algebra:
            given.append(algebra._libraries)

    backend.record(region)
    assert given == 3 * [recorder.handles]
    given.clear()
    backend.product(1, 2)
    backend.gram(1)
    assert given == [None, None]


def test_the_memory_of_a_recording_is_this_process_s(recorder):
    recorder, backend = recorder()
    others = backend.held_elsewhere()  # of 80 GB with 10 free, and a pool that says it has none
    replay, _ = backend.record(lambda: None)
    assert backend.held_elsewhere() == others - 3 * GB == 67 * GB
    del replay
    assert backend.held_elsewhere() == others


NAMES = """
import cupy
cuda = cupy.cuda
found = [
    cuda.Stream.begin_capture, cuda.Stream.end_capture, cuda.Graph.launch, cuda.MemoryPool.malloc,
    cuda.MemoryPool.total_bytes, cuda.Memory, cuda.MemoryPointer.copy_from_device_async,
    cuda.using_allocator, cupy.get_default_memory_pool().free_all_blocks, cupy.triu, cupy.full,
]
assert all(map(callable, found))
"""


@pytest.mark.kernels
@pytest.mark.skipif("HALFSTEP_CUPY" not in os.environ, reason="HALFSTEP_CUPY names no CuPy")
def test_cupy_has_what_a_recording_asks_of_it():
    env = {**os.environ, "PYTHONPATH": os.environ["HALFSTEP_CUPY"]}
    subprocess.run([sys.executable, "-c", NAMES], check=True, env=env)


@pytest.mark.gpu
@pytest.mark.parametrize("coordinates", [(), ("coordinates",)])
def test_a_card_replays_what_it_does(coordinates):
    """To rounding, because cuBLAS may multiply in another way with a workspace from outside."""
    settings = {
        "factors": 33, "iterations": 8, "random_state": 0, "confidence": "log", "dtype": "float64",
        "cg_steps": 30,
    }  # fmt: skip
    fits = []
    with on_device("cupy") as card:
        for more in ((), ("graph",)):
            with optional("factor-on-card", *more, *coordinates):
                launches = []
                model = SOLVERS["gpu_cg_6_split"](**settings)
                model.fit(
                    awkward(),
                    show_progress=False,
                    callback=lambda *_, launches=launches: launches.append(card.launched()),
                )
                fits.append(model)
                assert (launches[-1] == launches[-2]) == bool(more)
    np.testing.assert_allclose(fits[0].user_factors, fits[1].user_factors, rtol=0, atol=1e-9)
