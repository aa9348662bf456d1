"""The switches of the GPU solvers, through the emulator: what each changes, and that none is on."""

import ctypes
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from cases.gpu import DEVICES
from cases.gpu import device as device_of
from cases.solvers import awkward
from emulator.dense import as_tf32

from halfstep import SOLVERS, InputError, NumericalWarning
from halfstep.kernels.cuda import backend as backends
from halfstep.kernels.device import dense
from halfstep.kernels.device.options import NEEDS, OPTIONS, VARIABLE, enabled, optional
from halfstep.solvers.objective import objective

COMMON = {"factors": 33, "iterations": 3, "random_state": 0, "regularization": 0.5}


def fitted(name, matrix, **settings):
    return SOLVERS[name](**{**COMMON, **settings}).fit(matrix, show_progress=False)


def loss_of(model, matrix):
    """Return the float64 objective on the host."""
    return objective(*model.weights(matrix), model.user_factors, model.item_factors)


def test_all_are_off_and_are_turned_on_by_name(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert backends.OPTIONS is OPTIONS
    assert not any(map(enabled, OPTIONS))
    with optional("tf32-start"):
        with optional("gram-in-place"):
            assert {name for name in OPTIONS if enabled(name)} == {"tf32-start", "gram-in-place"}
        assert not enabled("gram-in-place")
    monkeypatch.setenv(VARIABLE, " tf32-start, tf32-fixed,")
    assert {name for name in OPTIONS if enabled(name)} == {"tf32-start", "tf32-fixed"}


def test_an_unknown_name_is_refused(monkeypatch):
    message = r"a GPU option must be one of tf32-start, .*, got 'tf64'"
    with pytest.raises(InputError, match=message), optional("tf64"):
        pass
    monkeypatch.setenv(VARIABLE, "tf64")
    with pytest.raises(InputError, match=message):
        enabled("tf32-start")


def test_every_option_is_described_in_one_sentence():
    for sentence in OPTIONS.values():
        assert sentence.endswith(".")
        assert ". " not in sentence


@pytest.mark.parametrize("option", ["tf32-start", "tf32-fixed"])
def test_tf32_multiplies_one_of_three_products_and_keeps_the_objective(option, device):
    matrix = awkward(negative=False)
    settings = {"confidence": "log", "iterations": 10}
    plain = fitted("gpu_cg_7_half", matrix, **settings)
    assert not any(product.tf32 for product in device.products)
    device.products.clear()
    with optional(option):
        coarse = fitted("gpu_cg_7_half", matrix, **settings)
    in_fit = device.products[-3 * 2 * settings["iterations"] :]
    assert [product.tf32 for product in in_fit[:6]] == 2 * [
        option == "tf32-fixed", option == "tf32-start", False
    ]  # fmt: skip
    assert not np.array_equal(coarse.user_factors, plain.user_factors)
    assert loss_of(coarse, matrix) == pytest.approx(loss_of(plain, matrix), rel=3e-4)


def test_the_fixed_side_is_not_multiplied_in_tf32_where_it_is_not_rounded(device):
    matrix = awkward()
    plain = fitted("gpu_cg_6_split", matrix)
    with optional("tf32-fixed"):
        same = fitted("gpu_cg_6_split", matrix)
    assert not any(product.tf32 for product in device.products)
    np.testing.assert_array_equal(plain.user_factors, same.user_factors)


def test_tf32_has_eleven_bits():
    ones = np.array([1 + 2.0**-10, 1 + 2.0**-11, -3], np.float32)
    np.testing.assert_array_equal(as_tf32(ones), np.array([1 + 2.0**-10, 1, -3], np.float32))


class Cublas:
    """cuBLAS in NumPy: matrices by columns, read and written where the pointers point."""

    CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = 0, 1, -1
    CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_32F_FAST_TF32 = 68, 70, 77

    def __init__(self):
        self.calls = []

    def gemmStridedBatchedEx(
        self, handle, transa, transb, m, n, k, alpha, A, a_type, lda, a_step, B, b_type, ldb, b_step,
        beta, C, c_type, ldc, c_step, count, compute, algo,
    ):  # fmt: skip
        assert a_type == b_type == c_type
        kind = np.dtype((np.float32, np.float64)[a_type])
        one, zero = (by_pointer(pointer, 1, kind)[0] for pointer in (alpha, beta))
        assert (one, zero, algo) == (1, 0, -1)
        self.calls.append(compute)
        for i in range(count):
            a, b, c = (
                by_pointer(pointer + i * step * kind.itemsize, columns * ld, kind)
                .reshape(columns, ld).T[:height]
                for pointer, step, ld, height, columns in (
                    (A, a_step, lda, *((k, m) if transa else (m, k))),
                    (B, b_step, ldb, *((n, k) if transb else (k, n))),
                    (C, c_step, ldc, m, n),
                )
            )  # fmt: skip
            c[...] = (a.T if transa else a) @ (b.T if transb else b)

    def gemmEx(
        self, handle, transa, transb, m, n, k, alpha, A, a_type, lda, B, b_type, ldb, beta, C, c_type,
        ldc, compute, algo,
    ):  # fmt: skip
        self.gemmStridedBatchedEx(
            handle, transa, transb, m, n, k, alpha, A, a_type, lda, 0, B, b_type, ldb, 0, beta, C,
            c_type, ldc, 0, 1, compute, algo,
        )  # fmt: skip


def by_pointer(pointer, size, kind):
    buffer = (ctypes.c_uint8 * (size * kind.itemsize)).from_address(pointer)
    return np.frombuffer(buffer, kind)


class Pointed(np.ndarray):
    """A NumPy array with CuPy's `data.ptr`."""

    @property
    def data(self):
        return SimpleNamespace(ptr=self.ctypes.data)


def pointed(array):
    return np.ascontiguousarray(array).view(Pointed)


def test_a_product_in_tf32_is_asked_of_cublas_as_the_arrays_lie():
    rng = np.random.default_rng(0)
    A, B = (pointed(rng.normal(size=size).astype(np.float32)) for size in ((7, 5), (5, 3)))
    out, cublas = pointed(np.full((7, 3), np.nan, np.float32)), Cublas()
    dense.multiply(cublas, 1, A, B, out, cublas.CUBLAS_COMPUTE_32F_FAST_TF32)
    np.testing.assert_allclose(out, np.asarray(A) @ np.asarray(B), rtol=1e-5)
    assert cublas.calls == [77]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gramians_of_slabs_are_asked_of_cublas_where_the_factors_lie(dtype):
    Y = pointed(np.random.default_rng(0).normal(size=(23, 5)).astype(dtype))
    parts, cublas = pointed(np.full((3, 5, 5), np.nan, dtype)), Cublas()
    dense.slab_products(cublas, 1, Y, 7, parts)
    slabs = np.asarray(Y)[:21].reshape(3, 7, 5)
    np.testing.assert_allclose(parts, slabs.transpose(0, 2, 1) @ slabs, rtol=1e-5)
    assert cublas.calls == [70 if dtype == "float64" else 68]  # never TF32


@pytest.mark.parametrize("rows", [1, 4095, 4096, 3 * 4096, 3 * 4096 + 5])
def test_the_gramian_in_place_is_the_gramian(rows, monkeypatch):
    """With NumPy in CuPy's place, slabs and rest."""
    cublas = Cublas()
    libs = SimpleNamespace(cublas=cublas)
    for module in ("cupy_backends", "cupy_backends.cuda"):
        monkeypatch.setitem(sys.modules, module, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", libs)
    cupy = SimpleNamespace(
        cuda=SimpleNamespace(get_cublas_handle=lambda: 1),
        zeros=np.zeros,
        empty=lambda shape, dtype: pointed(np.full(shape, np.nan, dtype)),
        matmul=np.matmul,
    )
    Y = pointed(np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32))
    plain = dense.gram(cupy, Y)
    assert not cublas.calls
    with optional("gram-in-place"):
        got = dense.gram(cupy, Y)
    assert len(cublas.calls) == (rows >= 4096) + (rows % 4096 > 0)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, plain, rtol=1e-5, atol=1e-3)


CARDS = ["random", DEVICES[-1]]  # the emulator, and CuPy where there is a card


@pytest.mark.kernels
@pytest.mark.parametrize("on", CARDS)
@pytest.mark.parametrize("exponent", [0.0, 0.5])  # Cholesky, and eigenvectors
@pytest.mark.parametrize("options", [*((name,) for name in OPTIONS), tuple(OPTIONS)], ids="+".join)
def test_every_option_keeps_the_objective_of_a_fit(options, exponent, on):
    matrix = awkward(negative=False)
    settings = {"confidence": "log", "iterations": 6, "regularization_exponent": exponent}
    needs = [need for option in options for need in NEEDS.get(option, ())]
    warns = "graph" in options and exponent  # eigenvectors cannot be recorded
    said = pytest.warns(NumericalWarning, match="eigenvectors") if warns else nullcontext()
    with device_of(on):
        plain = fitted("gpu_cg_7_half", matrix, **settings)
        with optional(*options, *needs), said:
            other = fitted("gpu_cg_7_half", matrix, **settings)
            again = fitted("gpu_cg_7_half", matrix, **settings)
    assert loss_of(other, matrix) == pytest.approx(loss_of(plain, matrix), rel=1e-3)
    np.testing.assert_array_equal(other.user_factors, again.user_factors)


@pytest.mark.parametrize("on", CARDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [9, 4096, 3 * 4096 + 5])
def test_a_gramian_by_every_path_is_the_gramian(rows, dtype, on):
    Y = np.random.default_rng(0).normal(size=(rows, 33)).astype(dtype)
    expected = Y.astype(np.float64).T @ Y.astype(np.float64)
    for options in ((), ("gram-in-place",)):
        with device_of(on) as backend, optional(*options):
            got = backend.to_host(backend.gram(backend.to_device(Y)))
        assert got.dtype == np.float64
        error = np.abs(got - expected).max() / np.abs(expected).max()
        assert error < 30 * np.finfo(dtype).eps


@pytest.mark.parametrize("on", CARDS)
@pytest.mark.parametrize(("tf32", "allowed"), [(False, 1e-6), (True, 2e-3)])
def test_a_product_has_the_digits_that_were_asked_for(tf32, allowed, on):
    rng = np.random.default_rng(0)
    A, B = (rng.normal(size=size).astype(np.float32) for size in ((300, 128), (128, 136)))
    with device_of(on) as backend:
        one, other = map(backend.to_device, (A, B))
        got = backend.to_host(backend.product(one, other, tf32=tf32))
        out = backend.to_device(np.full_like(got, np.nan))
        assert backend.product(one, other, tf32=tf32, out=out) is out
        np.testing.assert_array_equal(backend.to_host(out), got)
    exact = A.astype(np.float64) @ B.astype(np.float64)
    sizes = np.linalg.norm(A, axis=1)[:, None] * np.linalg.norm(B, axis=0)
    error = float((np.abs(got - exact) / sizes).max())
    assert error < allowed
    assert (error > 1e-5) == tf32


@pytest.mark.parametrize("on", CARDS)
@pytest.mark.parametrize("f", [1, 33, 256])
def test_the_algebra_of_a_device_is_the_host_s(f, on):
    Y = np.random.default_rng(0).normal(size=(2 * f, f))
    A = Y.T @ Y + np.eye(f)
    with device_of(on) as backend:
        there = backend.to_device(A)
        with backend.on_card() as algebra:
            raw = backend.raw(there)
            R = algebra.cholesky(raw)
            inverse, (L, Q) = algebra.inverse_of_upper(R), algebra.eigh(raw)
            wrong = algebra.cholesky(raw - 2 * raw)
            found = [backend.to_host(backend.to_device(x)) for x in (R, inverse, L, Q, wrong)]
    R, inverse, L, Q, wrong = found
    np.testing.assert_array_equal(R, np.triu(R))
    size = np.abs(A).max()
    np.testing.assert_allclose(R.T @ R, A, rtol=0, atol=1e-12 * f * size)
    np.testing.assert_allclose(inverse @ R, np.eye(f), rtol=0, atol=1e-10)
    np.testing.assert_allclose((Q * L) @ Q.T, A, rtol=0, atol=1e-12 * f * size)
    assert np.isnan(wrong).any()
