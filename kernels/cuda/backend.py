"""The device as the GPU solvers see it: arrays, two matrix products, and the launch of a kernel.

Solvers reach CuPy only through this interface, so tests can put an emulated device in its place
(`using`). A kernel is read as text at its first launch and compiled by CuPy, with its constants as `-D`
definitions. The compiled kernel is kept in memory here, and on disk by CuPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.kernels.algebra import Algebra
from halfstep.kernels.cuda.sources import source
from halfstep.kernels.device import dense, failures
from halfstep.kernels.device.compiling import Variant
from halfstep.kernels.device.graphs import CupyGraphs, recorded_algebra
from halfstep.kernels.device.options import NEEDS as NEEDS
from halfstep.kernels.device.options import OPTIONS as OPTIONS
from halfstep.kernels.device.options import optional as optional
from halfstep.machine import why_no_gpu

# A launch must request more shared memory than 48 KB, with what the kernel has of its own; no device
# grants all it has.
_PLAIN_SHARED = 44 * 1024

T = TypeVar("T")
Array: TypeAlias = Any  # CuPy's, or the emulator's
Defines: TypeAlias = tuple[str, ...]


class Backend(Protocol):
    """What a solver may ask of a device.

    Attributes
    ----------
    shared_limit
        Bytes of shared memory that a block may have.
    capability
        The compute capability times ten, 90 for 9.0.
    """

    name: str
    shared_limit: int
    capability: int

    @property
    def recording(self) -> bool:
        """Whether `record` is recording: then no number can be read from the device."""

    def to_device(self, array: Any) -> Array:
        """Return a C-contiguous copy of a host array on the device; a device array as it is."""

    def to_host(self, array: Array) -> npt.NDArray[Any]:
        """Return a copy of the array on the host."""

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array whose content is undefined."""

    def product(self, A: Array, B: Array, *, tf32: bool = False, out: Array | None = None) -> Array:
        """Return the matrix product A B, which is written to `out` if given.

        `tf32` lets float32 be multiplied with 11 bits each.
        """

    def gram(self, Y: Array) -> Array:
        """Return Y'Y (f, f) in float64, summed over rows without losing digits of float32."""

    def on_card(self) -> AbstractContextManager[Algebra]:
        """Return a context whose algebra works on the device, on float64 arrays as `raw` gives them."""

    def raw(self, array: Array) -> Any:
        """Return the array as the algebra of `on_card` takes it; `to_device` takes its results."""

    def copy(self, target: Array, source: Array) -> None:
        """Copy `source`, on this or another device, to `target` here, of equal shape and dtype."""

    def free_bytes(self) -> int:
        """Return how many bytes can be allocated."""

    def held_elsewhere(self) -> int:
        """Return how many bytes of the device are in other hands: other processes, and the driver."""

    def page_locked(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a copy in page-locked memory, which uploads asynchronously; a memory map as it is."""

    def upload(self, target: Array, array: npt.NDArray[Any], slot: int) -> None:
        """Copy a host array to a device array, while launches go on, after the slot's release."""

    def wait_for_uploads(self, slot: int) -> None:
        """Make later launches wait for the slot's uploads."""

    def release(self, slot: int) -> None:
        """Make later uploads to the slot wait for the launches so far."""

    def sm_count(self) -> int:
        """Return how many multiprocessors the device has."""

    def synchronize(self) -> None:
        """Wait until the device has finished all launches and copies."""

    def uncompiled(self, variants: Sequence[Variant]) -> list[Variant]:
        """Return those of these files with their definitions that are not compiled yet."""

    def compile(self, variants: Sequence[Variant]) -> None:
        """Compile these files with their definitions, several at once, and keep them."""

    def launch(
        self,
        file: str,
        kernel: str,
        defines: Defines,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """Launch a kernel of `file`, compiled with `defines`, as `cupy.RawKernel` does.

        A Python int is passed as int64, a float as float64, a NumPy scalar in its own type, and None as
        a null pointer. `shared_mem` is the dynamic shared memory of a block, in bytes.
        """

    def record(self, region: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """Record what `region` asks of the device; return what replays it, and the region's result.

        Nothing runs before it is replayed. Arrays that the region makes stay where they are, and a
        replay writes to them again. The region may launch, multiply, copy and use `on_card`; all that
        it launches must be compiled. Raises whatever keeps it from being recorded.
        """


class CupyBackend(CupyGraphs):
    """A CUDA device through CuPy, on its current stream; `failures` says what its methods raise."""

    name = "cupy"

    def __init__(self, ordinal: int | None = None) -> None:
        import cupy

        super().__init__(cupy, failures.Guarded(cupy, ordinal), source)
        self.shared_limit = int(self.device.attributes["MaxSharedMemoryPerBlockOptin"])
        self.capability = int(self.device.compute_capability)

    def to_device(self, array: Any) -> Array:
        """See `Backend`; an array with `__cuda_array_interface__` counts as a device array."""
        with self.device:
            return self.cupy.ascontiguousarray(self.cupy.asarray(array))

    def to_host(self, array: Array) -> npt.NDArray[Any]:
        """See `Backend`."""
        with self.device:
            host: npt.NDArray[Any] = self.cupy.asnumpy(array)
            return host

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """See `Backend`."""
        with self.device:
            return self.cupy.empty(shape, dtype)

    def product(self, A: Array, B: Array, *, tf32: bool = False, out: Array | None = None) -> Array:
        """See `Backend`."""
        with self.device:
            libraries = self._recording
            return dense.product(self.cupy, A, B, tf32=tf32, out=out, libraries=libraries)

    def gram(self, Y: Array) -> Array:
        """See `Backend`."""
        with self.device:
            return dense.gram(self.cupy, Y, self._recording)

    def on_card(self) -> AbstractContextManager[Algebra]:
        """See `Backend`."""
        if self._recording is not None:
            return recorded_algebra(self.cupy, self.device, self._recording)
        return dense.on_card(self.cupy, self.device)

    def raw(self, array: Array) -> Any:
        """See `Backend`."""
        return array

    def copy(self, target: Array, source: Array) -> None:
        """See `Backend`."""
        with self.device:
            target.data.copy_from_device_async(source.data, source.nbytes)

    def free_bytes(self) -> int:
        """See `Backend`; unused memory in CuPy's pool counts as free."""
        with self.device:
            free, _ = self.cupy.cuda.runtime.memGetInfo()
            return int(free) + int(self.cupy.get_default_memory_pool().free_bytes())

    def held_elsewhere(self) -> int:
        """See `Backend`."""
        with self.device:
            return failures.held_elsewhere(self.cupy)

    def sm_count(self) -> int:
        """See `Backend`."""
        return int(self.device.attributes["MultiProcessorCount"])

    def synchronize(self) -> None:
        """See `Backend`."""
        self.device.synchronize()

    def launch(
        self,
        file: str,
        kernel: str,
        defines: Defines,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """See `Backend`."""
        with self.device:
            function = self._function(file, kernel, defines)
            if shared_mem > _PLAIN_SHARED:
                function.max_dynamic_shared_size_bytes = shared_mem
            # CuPy passes None as the address -1, and an integer unchanged.
            passed = tuple(np.int64(0) if value is None else value for value in args)
            function(grid, block, passed, shared_mem=shared_mem)


_used: list[tuple[Backend, ...]] = []


@contextmanager
def using(*backends: Backend) -> Iterator[Backend]:
    """Make the GPU solvers use these devices inside the `with`, whatever the machine has.

    The first one is the current device, and the `with` yields it.
    """
    _used.append(backends)
    try:
        yield backends[0]
    finally:
        _used.pop()


def chosen(devices: Sequence[int] | None) -> list[Backend]:
    """Return the backends of these devices, None for the current one; InputError if one is not there."""
    if devices is None:
        return [current()]
    if _used:
        count: Any = len(_used[-1])
    else:
        with failures.finding():
            import cupy

            count = cupy.cuda.runtime.getDeviceCount()
    for device in devices:
        if device >= count:
            raise InputError(f"devices must be from 0 to {count - 1}, got {device}")
    return [_used[-1][k] if _used else _cupy(int(k)) for k in devices]


def current() -> Backend:
    """Return the backend to use: the first one of `using`, or CuPy on its current device."""
    if _used:
        return _used[-1][0]
    with failures.finding():
        import cupy

        return _cupy(int(cupy.cuda.Device().id))


def unavailable() -> str | None:
    """Return why `current` would fail, or None."""
    return None if _used else why_no_gpu()


@cache
def _cupy(ordinal: int) -> Backend:
    return CupyBackend(ordinal)
