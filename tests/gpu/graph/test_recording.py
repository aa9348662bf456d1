"""How CuPy and CUDA's libraries are asked for a recording, with stand-ins for both on the host."""

import ctypes
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cases.fake_cupy import FULL, GB, cupy_that, raising
from cases.gpu import device as on_device
from cases.solvers import awkward
from emulator import build

from halfstep import SOLVERS
from halfstep.kernels.cuda.backend import CupyBackend
from halfstep.kernels.device import dense, graphs
from halfstep.kernels.device.graphs import NotRecorded, RecordedAlgebra
from halfstep.kernels.device.libraries import WORKSPACE_BYTES, Libraries, LibraryError
from halfstep.kernels.device.options import optional

SOURCE = Path(__file__).parents[2] / "cases" / "libraries_on_host.cpp"
compiled = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    out = tmp_path_factory.mktemp("libraries") / "libraries.so"
    command = [build.compiler(), "-std=c++17", "-O1", "-fPIC", "-shared", "-Wall", "-Werror"]
    subprocess.run([*command, "-o", out, SOURCE], check=True)
    return str(out)


@pytest.fixture
def libraries(library):
    return Libraries(library, library)


class Pointed(np.ndarray):
    """A NumPy array with CuPy's `data.ptr`."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


class PointedNumpy:
    """NumPy with `Pointed` arrays, whose products are no business of a recording's."""

    def __getattr__(self, name):
        function = getattr(np, name)

        def pointed(*args, **named):
            found = function(*args, **named)
            return found.view(Pointed) if isinstance(found, np.ndarray) else found

        return pointed


Pointed.__matmul__ = Pointed.__rmatmul__ = raising(AssertionError("CuPy refuses this"))
xp = PointedNumpy()


def pointed(array):
    return np.ascontiguousarray(array).view(Pointed)


@compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tf32", [False, True])
def test_products_and_gramians_are_the_libraries(dtype, tf32, libraries):
    rng = np.random.default_rng(0)
    A, B = (rng.normal(size=size).astype(dtype) for size in ((7, 5), (5, 3)))
    got = dense.product(xp, pointed(A), pointed(B), tf32=tf32, libraries=libraries)
    np.testing.assert_allclose(np.asarray(got), A @ B, rtol=1e-4)
    Y = rng.normal(size=(2 * dense.GRAM_ROWS + 3, 5)).astype(dtype)
    for rows in (len(Y), 2 * dense.GRAM_ROWS, 3):
        got = np.asarray(dense.gram(xp, pointed(Y[:rows]), libraries))
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, Y[:rows].T @ Y[:rows], rtol=1e-3, atol=1e-2)


@compiled
def test_the_numbers_arrive_that_say_how_to_multiply(library, libraries):
    there = ctypes.CDLL(library)
    A = pointed(np.eye(4, dtype=np.float32))
    for tf32, expected in ((False, 68), (True, 77)):
        dense.product(xp, A, A, tf32=tf32, libraries=libraries)
        assert ctypes.c_int.in_dll(there, "compute").value == expected
        assert ctypes.c_int.in_dll(there, "algorithm").value == -1
    libraries.use(1 << 40, 1 << 41, 1 << 33)
    for name, expected in (
        ("stream_of_cublas", 1 << 40), ("stream_of_cusolver", 1 << 40),
        ("workspace_of_cublas", 1 << 41), ("bytes_of_cublas", 1 << 33),
    ):  # fmt: skip
        assert ctypes.c_size_t.in_dll(there, name).value == expected


@compiled
@pytest.mark.parametrize("f", [1, 2, 33])
def test_the_recorded_algebra_is_the_host_s(f, libraries):
    rng = np.random.default_rng(f)
    Y = rng.normal(size=(3 * f, f))
    A = Y.T @ Y + np.eye(f)
    algebra = RecordedAlgebra(xp, libraries)
    R = algebra.cholesky(pointed(A))
    np.testing.assert_array_equal(np.asarray(R), np.triu(R))
    np.testing.assert_allclose(np.asarray(R), np.linalg.cholesky(A).T, rtol=0, atol=1e-12 * f)
    inverse = algebra.inverse_of_upper(R)
    np.testing.assert_allclose(np.asarray(inverse), np.linalg.inv(np.asarray(R)), atol=1e-12 * f)
    B = rng.normal(size=(5, f))
    np.testing.assert_allclose(np.asarray(algebra.product(pointed(B).T[:, ::-1], pointed(B))),
                               B.T[:, ::-1] @ B, atol=1e-12 * f)  # fmt: skip
    assert np.isnan(algebra.cholesky(pointed(-A))).any()
    with pytest.raises(NotRecorded, match="eigenvectors"):
        algebra.eigh(pointed(A))


@compiled
def test_a_status_is_an_error_with_the_call_s_name(libraries):
    libraries.solver = ctypes.c_void_p(12345)
    with pytest.raises(LibraryError, match="cusolverDnDpotrf_bufferSize returned status 1"):
        libraries.potrf_size(3, 64)


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
        self.cupy.empty = lambda shape, dtype: (
            self.allocate and self.allocate(shape), pointed(np.zeros(4, np.uint8))
        )[1]  # fmt: skip
        self.handles = SimpleNamespace(use=lambda *args: self.said.append("use"))

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
