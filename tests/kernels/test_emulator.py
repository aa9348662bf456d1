"""The emulator, proved by kernels that are right and by kernels with one error each."""

from pathlib import Path

import emulator
import numpy as np
import pytest
from emulator import ORDERS, EmulatorBackend, EmulatorError, OutOfMemory, build

KERNELS = Path(emulator.__file__).parent / "kernels_for_tests"
pytestmark = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))


@pytest.fixture(params=list(ORDERS))
def backend(request):
    return EmulatorBackend(order=request.param, folder=KERNELS)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_blocks_shuffles_and_shared_memory(backend):
    x = floats(5, 1000)
    out = backend.empty(5, np.float32)
    arguments = (backend.to_device(x), out, np.int32(1000))
    backend.launch("good.cu", "row_sums", (), (5,), (128,), arguments)
    np.testing.assert_allclose(backend.to_host(out), x.sum(axis=1), rtol=0, atol=1e-4)
    (launch,) = backend.launches
    assert (launch.kernel, launch.grid, launch.block) == ("row_sums", (5,), (128,))


@pytest.mark.parametrize("n", [32, 64])
def test_a_template_has_its_own_static_arrays(backend, n):
    x = floats(3, n)
    out = backend.empty(x.shape, np.float32)
    backend.launch("good.cu", f"reverse_{n}", (), (3,), (n,), (backend.to_device(x), out))
    np.testing.assert_array_equal(backend.to_host(out), x[:, ::-1] + 3)


def test_template_kernels_by_name_expression(backend):
    x = backend.to_device(np.ones(5))
    backend.launch("good.cu", "scale<double>", (), (2,), (4,), (x, 3.0, np.int32(5)))
    np.testing.assert_array_equal(backend.to_host(x), np.full(5, 3.0))


def test_sixteen_bit_types(backend):
    values = floats(2, 32)
    halves = values[0].astype(np.float16)
    bfloats = (values[1].view(np.uint32) >> 16).astype(np.uint16)
    out = backend.empty(32, np.float32)
    arguments = [backend.to_device(halves), backend.to_device(bfloats), out]
    backend.launch("good.cu", "widen", (), (1,), (8,), arguments)
    widened = (bfloats.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(backend.to_host(out), halves.astype(np.float32) + widened)


@pytest.mark.parametrize("n", [1, 17, 32])
def test_votes_and_atomics(backend, n):
    x = np.arange(3, 35, dtype=np.int32)
    odd, total = (
        backend.to_device(np.zeros(1, np.uint32)),
        backend.to_device(np.zeros(1, np.float32)),
    )
    last = backend.to_device(np.full(1, -9, np.int32))
    arguments = (backend.to_device(x), np.int32(n), odd, total, last)
    backend.launch("good.cu", "votes", (), (1,), (32,), arguments)
    found = [backend.to_host(a)[0] for a in (odd, total, last)]
    assert found == [(x[:n] % 2).sum(), x[:n].sum(), x[:n].max()]


def test_asynchronous_copies_and_groups(backend):
    x = floats(9, 128)
    out = backend.empty(1, np.float32)
    arguments = (backend.to_device(x), out, np.int32(9))
    backend.launch("groups.cu", "prefetched_sum", (), (1,), (32,), arguments)
    np.testing.assert_allclose(backend.to_host(out)[0], x.sum(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "bug",
    [
        ("__pipeline_wait_prior(1);", "__pipeline_wait_prior(2);"),
        ("__pipeline_wait_prior(1);", ""),
        ("__pipeline_commit();\n    __pipeline", "__pipeline"),
    ],
    ids=["waits for too few", "waits for none", "forgets to commit"],
)
def test_a_copy_that_is_not_waited_for_is_nan(bug):
    text = (KERNELS / "groups.cu").read_text()
    assert bug[0] in text
    backend = EmulatorBackend(folder=KERNELS, mutations={"groups.cu": text.replace(*bug)})
    out = backend.empty(1, np.float32)
    arguments = (backend.to_device(floats(9, 128)), out, np.int32(9))
    backend.launch("groups.cu", "prefetched_sum", (), (1,), (32,), arguments)
    assert np.isnan(backend.to_host(out)[0])


def test_dynamic_shared_memory_and_partial_masks(backend):
    x = floats(100)
    out = backend.empty(100, np.float32)
    arguments = (backend.to_device(x), out)
    backend.launch("good.cu", "rotate", (), (1,), (100,), arguments, shared_mem=400)
    np.testing.assert_array_equal(backend.to_host(out), np.roll(x, -1))
    out = backend.empty(32, np.float32)
    backend.launch("good.cu", "half_sums", (), (1,), (32,), (out,))
    np.testing.assert_array_equal(backend.to_host(out), np.repeat([120, 376], 16))


ERRORS = {
    "divergent_barrier": "divergent barrier: thread 0 .* line 4, thread 7 in line 6",
    "deadlock": "deadlock: thread 0 waits in __shfl_xor_sync, line 11; thread 16 waits in __syncthreads",
    "unequal_barriers": "divergent barrier",
    "wrong_mask": r"wrong mask: lane \d+ is not in its own mask 0x0000ffff .* line 23",
    "past_shared": "byte 128 of 128 bytes of dynamic shared memory was written",
    "past_static": "byte 128 of 128 bytes of static shared memory was written",
    "past_global": "byte 256 of an array of 256 bytes was written",
}


@pytest.mark.parametrize("kernel", list(ERRORS))
def test_an_error_is_reported_with_its_place(backend, kernel):
    out = backend.empty(64, np.float32)
    arguments = (out, np.int32(33)) if kernel == "past_global" else (out,)
    with pytest.raises(EmulatorError, match=ERRORS[kernel]):
        backend.launch("wrong.cu", kernel, (), (1,), (32,), arguments, shared_mem=128)
    # The next launch is not disturbed by one that ended in the middle.
    backend.launch("good.cu", "half_sums", (), (1,), (32,), (out,))


def test_shared_memory_is_nan_until_it_is_written(backend):
    out = backend.empty(64, np.float32)
    backend.launch("wrong.cu", "unwritten_shared", (), (2,), (32,), (out,))
    assert np.isnan(backend.to_host(out)[32:]).all()
    backend.launch("wrong.cu", "no_barrier", (), (1,), (64,), (out,))
    assert np.isnan(backend.to_host(out)).any()


def test_arguments_are_held_to_cupys_rules():
    backend = EmulatorBackend(folder=KERNELS)
    x, n = backend.empty(8, np.float32), np.int32(8)

    def scale(*arguments, grid=(1,), block=(32,), shared_mem=0):
        backend.launch("good.cu", "scale<float>", (), grid, block, arguments, shared_mem)

    scale(x, np.float32(2), n)
    for arguments, message in [
        ((x, np.float32(2)), "2 arguments for 3 parameters"),
        ((x, 2.0, n), "argument 1: a scalar of float64 for a parameter float32"),
        ((x, np.float32(2), 8), "argument 2: a scalar of int64 for a parameter int32"),
        ((backend.empty(8, np.float64), np.float32(2), n), "an array of float64 for a parameter"),
        (("x", np.float32(2), n), "argument 0: a str"),
    ]:
        with pytest.raises(EmulatorError, match=message):
            scale(*arguments)
    for sizes, message in [
        ({"grid": (0,)}, "grid must be from 1 to"),
        ({"grid": (1, 70000)}, "grid must be from 1 to"),
        ({"grid": 3}, "grid must be a tuple"),
        ({"block": (1025,)}, "block must be from 1 to"),
        ({"block": (64, 32)}, "at most 1024 threads"),
        ({"shared_mem": 300_000}, "300000 bytes of shared memory"),
    ]:
        with pytest.raises(EmulatorError, match=message):
            scale(x, np.float32(2), n, **sizes)
    with pytest.raises(EmulatorError, match="no kernel 'absent'; it has row_sums"):
        backend.launch("good.cu", "absent", (), (1,), (32,), ())


def test_host_and_device_arrays_do_not_mix():
    backend = EmulatorBackend(folder=KERNELS)
    host, device = np.ones(8, np.float32), backend.to_device(np.ones(8, np.float32))
    for mix in (
        lambda: np.asarray(device),
        lambda: host + device,
        lambda: device + host,
        lambda: float(device),
        lambda: list(device),
        lambda: device[0],
        lambda: bool(device),
        lambda: backend.to_host(host),
        lambda: backend.product(host, device),
        lambda: backend.launch("good.cu", "half_sums", (), (1,), (32,), (host,)),
    ):
        with pytest.raises(TypeError):
            mix()
    host[0] = 7  # a copy was made
    assert backend.to_host(device)[0] == 1


def test_memory_is_limited_and_counted():
    backend = EmulatorBackend(memory=4096)
    x = backend.empty((4, 128), np.float32)
    assert backend.device.used == 2048
    with pytest.raises(OutOfMemory, match="out of memory allocating 2,560 bytes"):
        backend.empty(513, np.float32)
    part = x[1:3]
    del x
    assert backend.device.used == 2048, "a view keeps its array's memory"
    del part
    assert (backend.device.used, backend.device.peak) == (0, 2048)


def test_two_devices_do_not_share_arrays():
    one, other = EmulatorBackend(folder=KERNELS), EmulatorBackend(folder=KERNELS, ordinal=1)
    x = one.empty(32, np.float32)
    with pytest.raises(EmulatorError, match="an array of device 0 was handed to device 1"):
        other.launch("good.cu", "half_sums", (), (1,), (32,), (x,))


def test_what_cannot_be_translated_is_refused():
    assert build.translate("// extern __shared__ float s[];\nint x;") == " \nint x;"
    several = build.translate("__shared__ float a[4], b;")
    assert several == "CUEMU_STATIC(float, a, [4]); CUEMU_STATIC(float, b, );"
    with pytest.raises(EmulatorError, match=r"k\.cu:2: cannot translate"):
        build.translate("int x;\n__shared__ float *(f)();", "k.cu")
    with pytest.raises(EmulatorError, match="g\\+\\+ fails"):
        EmulatorBackend(folder=KERNELS, mutations={"good.cu": "not CUDA"}).launch(
            "good.cu", "k", (), (1,), (1,), ()
        )


def test_the_reason_where_no_compiler_is(monkeypatch):
    build.why_not.cache_clear()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EmulatorError, match=r"g\+\+ is not installed"):
        EmulatorBackend()
    build.why_not.cache_clear()
