"""What goes wrong on a CUDA device, as the errors of `halfstep.errors`.

CuPy raises the CUDA libraries' own errors, whose codes say neither what to do nor whether the process
can go on. Their classes are told by name here, since CuPy is an optional package. Their codes are those
of `cudaError_t` in CUDA's `driver_types.h`, which the driver's errors share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from weakref import WeakSet

from halfstep.errors import DeviceLost, DeviceOutOfMemory, InputError, SolverUnavailable
from halfstep.machine import one_line, tried, why_no_gpu
from halfstep.memory import gigabytes

_RUNTIME, _CUBLAS = ("CUDARuntimeError", "CUDADriverError"), "CUBLASError"
_MEMORY = 2
_CUBLAS_MEMORY = (
    1,
    3,
)  # cuBLAS has no room for its handle (CUBLAS_STATUS_NOT_INITIALIZED), or for more
# The driver is too old for the runtime, for what CuPy calls, for the compiler's output, or half updated.
_DRIVER = (34, 35, 36, 222, 227, 803, 804)
_NO_DEVICE = (100, 101)
_NO_CODE = 209  # the compiler makes no code for this device
_BUSY = (46, 216)  # another process has the device for itself alone
# After these every call of this process on the device fails: a kernel has gone wrong or hung, the
# device's memory is damaged, or the device is gone.
_LOST = (
    201, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911, 999,
)  # fmt: skip
# With less than this in other hands nothing is said of it: the driver and this process's context take
# up to a gigabyte.
NOTABLE = 1 << 30
# What has memory of this process beside CuPy's pool; each has a method `total_bytes`.
POOLS: WeakSet[Any] = WeakSet()


def held_elsewhere(cupy: Any) -> int:
    """Return how many bytes of CuPy's current device are held outside of this process's pools."""
    free, total = cupy.cuda.runtime.memGetInfo()
    return max(0, int(total) - int(free) - held_here(cupy))


def held_here(cupy: Any) -> int:
    """Return how many bytes of CuPy's current device its memory pool and those of `POOLS` hold."""
    pools = (cupy.get_default_memory_pool(), *POOLS)
    return sum(int(pool.total_bytes()) for pool in pools)


def of_others(nbytes: int) -> str:
    """Return the end of a message about memory if other processes hold a notable part of it, or ""."""
    if nbytes < NOTABLE:
        return ""
    return (
        f"; other processes hold about {gigabytes(nbytes)} of the device (nvidia-smi lists them): "
        "end them, or choose another device"
    )


def translated(error: Exception, cupy: Any) -> Exception | None:
    """Return the error to raise in place of one of CuPy's, or None if it is not about a device's state.

    It is a `DeviceOutOfMemory`, a `DeviceLost` or a `SolverUnavailable`.
    """
    name, code = type(error).__name__, getattr(error, "status", None)
    if name == _CUBLAS:
        # cuBLAS does not say why it failed; a device that is lost says it again to every call.
        try:
            cupy.cuda.runtime.deviceSynchronize()
        except Exception as found:
            return translated(found, cupy)
    if (
        name == "OutOfMemoryError"
        or (name in _RUNTIME and code == _MEMORY)
        or (name == _CUBLAS and code in _CUBLAS_MEMORY)
    ):
        return _out_of_memory(error, cupy)
    if name in _RUNTIME:
        text = one_line(error)
        if code in _LOST:
            return DeviceLost(
                f"the CUDA device has failed ({text}): this process cannot use it any more"
            )
        if code in _BUSY:
            return SolverUnavailable(
                f"the CUDA device is taken by another process ({text}): nvidia-smi lists them; end it, "
                "choose another device, or let the device be shared (nvidia-smi -c DEFAULT)"
            )
        if code in (*_DRIVER, *_NO_DEVICE):
            return SolverUnavailable(f"no CUDA device can be used: {why_no_gpu() or text}")
    if (name in _RUNTIME and code == _NO_CODE) or (
        name == "CompileException" and "gpu-architecture" in str(error)
    ):
        return SolverUnavailable(
            f"the compiler of this CUDA makes no code for the device ({one_line(error)[:200]}): one "
            'older than CUDA 13 takes pip install "halfstep[cuda12]", a newer one a newer CuPy'
        )
    if isinstance(error, ImportError) or name == "DynamicLibNotFoundError":
        return SolverUnavailable(f"a CUDA library is missing: {why_no_gpu() or one_line(error)}")
    return None


def _out_of_memory(error: Exception, cupy: Any) -> DeviceOutOfMemory:
    found = re.search(r"allocating ([\d,]+) bytes", str(error))
    asked = f"another {gigabytes(int(found[1].replace(',', '')))}" if found else "more"
    known, _ = tried(
        lambda: (
            *cupy.cuda.runtime.memGetInfo(),
            held_here(cupy),
            held_elsewhere(cupy),
        )
    )
    if known is None:
        return DeviceOutOfMemory(f"the device has no room for {asked}")
    free, total, own, others = map(int, known)
    return DeviceOutOfMemory(
        f"the device has no room for {asked}: of {gigabytes(total)} this process holds "
        f"{gigabytes(own)}, and {gigabytes(free)} are free{of_others(others)}",
        free + own,
    )


@contextmanager
def translating(cupy: Any) -> Iterator[None]:
    """Raise the errors of this module in place of CuPy's that `translated` knows."""
    try:
        yield
    except Exception as error:
        other = translated(error, cupy)
        if other is None:
            raise
        raise other from error


@contextmanager
def finding() -> Iterator[None]:
    """Raise SolverUnavailable with the reason if CuPy or a device is not found inside."""
    try:
        yield
    except (InputError, SolverUnavailable, DeviceOutOfMemory, DeviceLost):
        raise
    except Exception as error:
        known = None if isinstance(error, ImportError) else translated(error, None)
        raise known or SolverUnavailable(
            f"no CUDA device can be used: {why_no_gpu() or one_line(error)}"
        ) from error


class Guarded:
    """CuPy's device as a context: the current one inside of it, with its errors translated."""

    def __init__(self, cupy: Any, ordinal: int | None) -> None:
        self._cupy = cupy
        with translating(cupy):
            self._device = cupy.cuda.Device(ordinal)
            self.attributes: dict[str, Any] = self._device.attributes
            self.compute_capability: str = self._device.compute_capability

    def __enter__(self) -> None:
        with translating(self._cupy):
            self._device.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Before the device that was current becomes so again: a message counts this one's memory.
        other = translated(error, self._cupy) if isinstance(error, Exception) else None
        try:
            self._device.__exit__(kind, error, traceback)
        except Exception:  # of a device that is lost; the first error says more
            if error is None:
                raise
        if other is not None:
            raise other from error

    def synchronize(self) -> None:
        """Wait until the device has finished all launches and copies."""
        with translating(self._cupy):
            self._device.synchronize()
