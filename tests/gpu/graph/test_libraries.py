"""The calls of cuBLAS and cuSOLVER for recordings, with libraries of the same calls on the host."""

import ctypes
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cases.fake_cupy import raising
from emulator import build

from halfstep.kernels.device import dense, graphs
from halfstep.kernels.device.graphs import NotRecorded, RecordedAlgebra
from halfstep.kernels.device.libraries import Libraries, LibraryError

SOURCE = Path(__file__).parents[2] / "cases" / "libraries_on_host.cpp"
compiled = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    out = tmp_path_factory.mktemp("libraries") / "libraries.so"
    command = [build.compiler(), "-std=c++17", "-O1", "-fPIC", "-shared", "-Wall", "-Werror"]
    # PyTorch, which lenskit imports, loads cuBLAS for all: its functions must not be called here.
    subprocess.run([*command, "-Wl,-Bsymbolic", "-o", out, SOURCE], check=True)
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


@compiled
def test_what_is_loaded_before_a_recording_is_all_that_it_calls(libraries, monkeypatch):
    called = []
    whole = libraries._call
    monkeypatch.setattr(
        libraries, "_call", lambda name, *args: (called.append(name), whole(name, *args))
    )
    graphs._load(xp, libraries)
    assert {name for name in libraries._functions if name not in called} == {
        "cublasCreate_v2", "cusolverDnCreate",
        "cublasSetStream_v2", "cublasSetWorkspace_v2", "cusolverDnSetStream",
    }  # fmt: skip
