"""A stand-in for CuPy on a machine with one device, and the errors that CuPy 14.2 raises."""

from types import SimpleNamespace

import numpy as np

GB = 10**9


class CUDARuntimeError(RuntimeError):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status

    def __reduce__(self):
        # Dask, where it is imported, has a cause pickled along with its error.
        return type(self), (self.status, str(self))


class CUBLASError(CUDARuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class DynamicLibNotFoundError(RuntimeError):
    pass


class CompileException(Exception):
    pass


LOST = CUDARuntimeError(719, "cudaErrorLaunchFailure: unspecified launch failure")
FULL = OutOfMemoryError("Out of memory allocating 2,000,000,000 bytes (allocated so far: 7 bytes).")
OLD = CUDARuntimeError(
    35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA"
)
NONE = CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
BUSY = CUDARuntimeError(46, "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy")
ILLEGAL = CUDARuntimeError(
    700, "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"
)
NO_NVRTC = DynamicLibNotFoundError("CuPy failed to load libnvrtc.so.13: OSError: cannot open it")


def raising(error):
    def call(*arguments, **more):
        raise error

    return call


class Device:
    """As CuPy's: a context, with its attributes."""

    def __init__(self, ordinal=None):
        self.id, self.synchronize = ordinal or 0, lambda: None
        self.compute_capability = "90"
        self.attributes = {"MaxSharedMemoryPerBlockOptin": 232448, "MultiProcessorCount": 132}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def cupy_that(**does):
    """A CuPy with one device of 80 GB, of which other processes hold 30, but for what is given."""
    pool = SimpleNamespace(total_bytes=lambda: 40 * GB, free_bytes=lambda: 5 * GB)
    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        memGetInfo=does.get("memGetInfo", lambda: (10 * GB, 80 * GB)),
        getDeviceCount=does.get("getDeviceCount", lambda: 1),
        runtimeGetVersion=lambda: 13020,
        deviceSynchronize=does.get("deviceSynchronize", lambda: None),
    )
    nvrtc = SimpleNamespace(getVersion=does.get("getVersion", lambda: (13, 0)))
    return SimpleNamespace(
        cuda=SimpleNamespace(
            Device=does.get("Device", Device), runtime=runtime, nvrtc=nvrtc,
            is_available=does.get("is_available", lambda: True),
            Stream=does.get("Stream"),
        ),
        get_default_memory_pool=lambda: pool,
        empty=does.get("empty", np.empty), asarray=does.get("asarray", np.asarray),
        ascontiguousarray=np.ascontiguousarray, asnumpy=does.get("asnumpy", np.asarray),
        __version__="14.2.0",
        RawModule=does.get(
            "RawModule", lambda **_: SimpleNamespace(compile=does.get("compile", lambda: None))
        ),
    )  # fmt: skip
