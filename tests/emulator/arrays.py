"""Arrays that live on an emulated device: no NumPy arrays, so that the two cannot be mixed."""

from __future__ import annotations

import ctypes
import os
import weakref
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from emulator.build import EmulatorError
from halfstep.errors import DeviceOutOfMemory

_libc = ctypes.CDLL(None)
_libc.free.argtypes = [ctypes.c_void_p]
_ALIGNMENT = 512  # CuPy's allocator rounds to it
# Behind every array, where no sanitizer watches: float NaN, int -1, and compared after launches.
_GUARD = 0 if os.environ.get("HALFSTEP_EMULATOR_SANITIZER") else 512


class OutOfMemory(DeviceOutOfMemory):
    """The device has no room, as the backend of CuPy says it."""


@dataclass(eq=False)
class Device:
    """One emulated device.

    Attributes
    ----------
    ordinal
        Its number.
    memory
        Bytes that can be allocated.
    used, peak
        Bytes in use now, and at most so far.
    """

    ordinal: int = 0
    memory: int = 1 << 30
    used: int = 0
    peak: int = 0
    allocations: weakref.WeakSet[Allocation] = field(default_factory=weakref.WeakSet)

    def allocate(self, nbytes: int) -> Allocation:
        """Return fresh memory, every byte 0xFF, or raise OutOfMemory."""
        rounded = -(-nbytes // _ALIGNMENT) * _ALIGNMENT
        if self.used + rounded > self.memory:
            raise OutOfMemory(
                f"out of memory allocating {rounded:,} bytes (allocated so far: {self.used:,} bytes, "
                f"the device has {self.memory:,} bytes)",
                self.memory,
            )
        self.used += rounded
        self.peak = max(self.peak, self.used)
        allocation = Allocation(nbytes, self.ordinal)
        weakref.finalize(allocation, self._freed, rounded)
        self.allocations.add(allocation)
        return allocation

    def check_guards(self) -> None:
        """Raise EmulatorError where something wrote behind an array."""
        for allocation in list(self.allocations):
            allocation.check_guard()

    def _freed(self, nbytes: int) -> None:
        self.used -= nbytes


class Allocation:
    """Bytes from the C library, aligned as the device's and, for the sanitizers, of that very size."""

    def __init__(self, nbytes: int, ordinal: int):
        self.nbytes, self.ordinal = nbytes, ordinal
        address = ctypes.c_void_p()
        total = max(nbytes, 1) + _GUARD
        if _libc.posix_memalign(ctypes.byref(address), _ALIGNMENT, ctypes.c_size_t(total)):
            raise MemoryError(f"{total} bytes")
        assert address.value is not None
        weakref.finalize(self, _libc.free, address.value)
        buffer = (ctypes.c_uint8 * total).from_address(address.value)
        self._all = np.frombuffer(buffer, np.uint8)
        self._all[:] = 0xFF
        self.bytes = self._all[:nbytes]

    def check_guard(self) -> None:
        """Raise EmulatorError where the guard was written to."""
        written = np.flatnonzero(self._all[max(self.nbytes, 1) :] != 0xFF)
        if written.size:
            self._all[max(self.nbytes, 1) :] = 0xFF
            raise EmulatorError(
                f"out of bounds: byte {max(self.nbytes, 1) + int(written[0])} of an array of "
                f"{self.nbytes} bytes was written"
            )


class DeviceArray:
    """A C-contiguous array on an emulated device: shape, dtype, and views of whole leading rows.

    Everything that would read or convert it on the host raises TypeError, as it does with CuPy.
    """

    __slots__ = ("__weakref__", "_allocation", "_values")
    __array_ufunc__ = None  # ndarray <operator> DeviceArray raises TypeError

    def __init__(self, allocation: Allocation, values: np.ndarray[Any, Any]):
        self._allocation, self._values = allocation, values

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._values.dtype

    @property
    def ndim(self) -> int:
        return self._values.ndim

    @property
    def size(self) -> int:
        return self._values.size

    @property
    def nbytes(self) -> int:
        return self._values.nbytes

    @property
    def device(self) -> int:
        """Number of the device that it is on."""
        return self._allocation.ordinal

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, rows: slice) -> DeviceArray:
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise TypeError("of a device array only whole rows can be taken, as array[start:stop]")
        return DeviceArray(self._allocation, self._values[rows])

    def reshape(self, *shape: int | tuple[int, ...]) -> DeviceArray:
        """Return the same memory in another shape."""
        return DeviceArray(self._allocation, self._values.reshape(*shape))

    def view(self, dtype: Any) -> DeviceArray:
        """Return the same memory read as another type."""
        return DeviceArray(self._allocation, self._values.view(dtype))

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device={self.device})"

    def _refused(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("implicit conversion of a device array to the host is not allowed")

    __array__ = __float__ = __int__ = __bool__ = __iter__ = __index__ = _refused
