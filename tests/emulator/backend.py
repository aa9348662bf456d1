"""The backend of the GPU solvers, with the emulator in CuPy's place and the same methods."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emulator import build
from emulator.arrays import Device, DeviceArray
from emulator.build import EmulatorError
from emulator.dense import Product, on_card, product
from emulator.module import SHARED_BYTES, Module
from halfstep.kernels.cuda.sources import FOLDER, path_of
from halfstep.kernels.device.dense import CardAlgebra

_modules: dict[Any, Module] = {}


@dataclass(frozen=True)
class Launch:
    """What was asked of the device."""

    file: str
    kernel: str
    defines: tuple[str, ...]
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared_mem: int


class PlainBackend:
    """One emulated device that does all at once; `emulator.recording` adds recordings.

    Parameters
    ----------
    order, seed
        Which thread goes first between two barriers; see `emulator.module.Kernel`.
    ordinal
        Number of the device: arrays of one cannot be handed to another.
    memory
        Bytes that can be allocated on it.
    multiprocessors
        What `sm_count` says; small, so that persistent blocks take several rows each.
    shared_limit
        Bytes of shared memory that a block may have.
    sanitizer
        A key of `emulator.build.SANITIZERS`; the environment's HALFSTEP_EMULATOR_SANITIZER unless given.
    folder
        Where `launch` looks for files: the package's kernels unless given.
    mutations
        Text to take in place of a file's, by name.
    late_uploads
        True lets an upload happen only when it is waited for, False at once: the two ends of what an
        asynchronous copy may do.

    Attributes
    ----------
    launches
        Every launch, as a `Launch`, in order.
    device
        Counts memory.
    products
        Every matrix product but Gramians, as a `Product`, in order.
    uploads, reads
        How many there were: `reads` counts `to_host`, for which the host waits.
    compiled
        The (file, defines) that `compile` compiled.
    calls, unlocked
        What was asked in its order: ("upload" | "wait" | "release", slot), ("launch", kernel); and
        uploads from memory that is not page-locked.
    lost
        An error that every further call raises: the device is gone.
    elsewhere
        Bytes that other processes hold.
    """

    name = "emulator"

    def __init__(
        self,
        *,
        order: str = "forward",
        seed: int = 1,
        ordinal: int = 0,
        memory: int = 1 << 30,
        multiprocessors: int = 3,
        shared_limit: int = SHARED_BYTES,
        sanitizer: str | None = None,
        folder: Path = FOLDER,
        mutations: dict[str, str] | None = None,
        late_uploads: bool = False,
    ):
        reason = build.why_not()
        if reason:
            raise EmulatorError(reason)
        self.order, self.seed = order, seed
        self.device = Device(ordinal, memory)
        self.multiprocessors, self.shared_limit = multiprocessors, shared_limit
        self.capability = 90
        self.compiled: list[Any] = []
        if sanitizer is None:
            sanitizer = os.environ.get("HALFSTEP_EMULATOR_SANITIZER", "")
        self.sanitizer, self.folder = sanitizer, folder
        self.mutations = mutations or {}
        self.launches: list[Launch] = []
        self.products: list[Product] = []
        self.reads = 0
        self.late_uploads, self.uploads = late_uploads, 0
        self._pending: dict[int, list[tuple[DeviceArray, Any]]] = {}
        self._released: set[int] = set()
        self._locked: list[np.ndarray[Any, Any]] = []
        self.calls: list[tuple[str, int | str]] = []
        self.unlocked, self.elsewhere = 0, 0
        self.lost: Exception | None = None

    def to_device(self, array: Any) -> DeviceArray:
        """Return a copy on the device of a host array, C-contiguous; a device array as it is."""
        if isinstance(array, DeviceArray):
            return self._own(array)
        array = np.asarray(array)
        copied = self.empty(array.shape, array.dtype)
        copied._values[...] = array
        return copied

    def to_host(self, array: DeviceArray) -> np.ndarray[Any, Any]:
        """Return a copy on the host."""
        self.reads += 1
        return self._own(array)._values.copy()

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return an array whose bytes are all 0xFF: NaN until a kernel has written it."""
        dtype = np.dtype(dtype)
        shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        allocation = self.device.allocate(nbytes)
        return DeviceArray(allocation, allocation.bytes.view(dtype).reshape(shape))

    def product(self, A: DeviceArray, B: DeviceArray, *, tf32: bool = False) -> DeviceArray:
        """Return A B on the device."""
        left, right = self._own(A)._values, self._own(B)._values
        self.products.append(Product(A.shape, B.shape, tf32))
        return self.to_device(product(left, right, tf32))

    def gram(self, Y: DeviceArray) -> DeviceArray:
        """Return Y'Y (f, f) in float64."""
        values = self._own(Y)._values.astype(np.float64)
        return self.to_device(values.T @ values)

    def on_card(self) -> AbstractContextManager[CardAlgebra]:
        """Return a context with the device's algebra."""
        return on_card()

    def raw(self, array: DeviceArray) -> np.ndarray[Any, Any]:
        """Return the numbers of an array, copied, for the algebra of `on_card`: no wait of the host."""
        return self._own(array)._values.copy()

    def copy(self, target: DeviceArray, source: DeviceArray) -> None:
        """Copy an array onto one of the same shape here; the source may be on another device."""
        if not isinstance(source, DeviceArray):
            raise TypeError(f"a device array is needed, got {type(source).__name__}")
        if (source.shape, source.dtype) != (target.shape, target.dtype):
            raise ValueError(f"a copy of {source!r} onto {target!r}")
        self._own(target)._values[...] = source._values

    def free_bytes(self) -> int:
        """Return how many bytes can be allocated."""
        return self.device.memory - self.device.used

    def held_elsewhere(self) -> int:
        """Return how many bytes other processes hold."""
        return self.elsewhere

    def page_locked(self, array: Any) -> Any:
        """Return a copy, which uploads are known by; a memory map as it is."""
        if not isinstance(array, np.memmap):
            array = array.copy()
        self._locked.append(array)
        return array

    def upload(self, target: DeviceArray, array: Any, slot: int) -> None:
        """Copy a host array onto a device array some time before `wait_for_uploads(slot)` returns."""
        self.uploads += 1
        self.calls.append(("upload", slot))
        if slot not in self._released:
            raise EmulatorError(
                f"an upload to slot {slot} that no release orders after the launches before it"
            )
        self.unlocked += not any(np.may_share_memory(array, locked) for locked in self._locked)
        self._pending.setdefault(slot, []).append((self._own(target), array))
        if not self.late_uploads:
            self._arrive(slot)

    def wait_for_uploads(self, slot: int) -> None:
        """Let launches after this see what was uploaded to the slot."""
        self.calls.append(("wait", slot))
        self._released.discard(slot)
        self._arrive(slot)

    def _arrive(self, slot: int) -> None:
        for target, array in self._pending.pop(slot, []):
            if (array.shape, array.dtype) != (target.shape, target.dtype):
                raise ValueError(f"an upload of {array.dtype} {array.shape} onto {target!r}")
            target._values[...] = array

    def release(self, slot: int) -> None:
        """Let uploads to the slot begin when the launches before this are done."""
        self.calls.append(("release", slot))
        self._released.add(slot)

    def sm_count(self) -> int:
        """Return how many multiprocessors the device has."""
        return self.multiprocessors

    def synchronize(self) -> None:
        """Do nothing: a launch ends before it returns."""

    def launch(
        self,
        file: str,
        kernel: str,
        defines: Sequence[str] | dict[str, Any],
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """Run a kernel of `file` compiled with `defines`; see `emulator.module.Kernel`.

        Raises TypeError for a host array among the arguments, and EmulatorError where the launch does
        not fit the kernel or the kernel went wrong.
        """
        if isinstance(defines, dict):
            defines = [f"{name}={value}" for name, value in defines.items()]
        values = []
        for i, value in enumerate(args):
            if isinstance(value, np.ndarray):
                raise TypeError(f"{file}: {kernel}, argument {i} is a host array")
            values.append(self._own(value)._values if isinstance(value, DeviceArray) else value)
        if self.lost is not None:
            raise self.lost
        self.calls.append(("launch", kernel))
        self.launches.append(Launch(file, kernel, tuple(defines), grid, block, shared_mem))
        self._module(file, tuple(defines), kernel).kernel(kernel)(
            grid,
            block,
            values,
            shared_mem=shared_mem,
            order=self.order,
            seed=self.seed + len(self.launches),
            shared_limit=self.shared_limit,
        )
        self.device.check_guards()

    def uncompiled(self, variants):
        """Return those of these (file, defines) that no launch or `compile` has compiled."""
        return [
            (file, defines)
            for file, defines in variants
            if self._key(file, defines) not in _modules
        ]

    def compile(self, variants):
        """Compile these (file, defines), several at once."""
        missing = self.uncompiled(variants)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda variant: self._module(*variant), missing))
        self.compiled += missing

    def launched(self, kernel: str | None = None) -> int:
        """Return how often a kernel (or any) was launched."""
        return sum(kernel in (None, launch.kernel) for launch in self.launches)

    def _key(self, file: str, defines: tuple[str, ...], kernel: str = "") -> tuple[Any, ...]:
        templates = (kernel,) if "<" in kernel else ()
        texts = tuple(sorted(self.mutations.items()))
        return path_of(file, self.folder), tuple(defines), templates, self.sanitizer, texts

    def _module(self, file: str, defines: tuple[str, ...], kernel: str = "") -> Module:
        key = self._key(file, defines, kernel)
        if key not in _modules:
            path, defines, templates, sanitizer, texts = key
            _modules[key] = Module(path, defines, templates, sanitizer=sanitizer, texts=texts)
        return _modules[key]

    def _own(self, array: Any) -> DeviceArray:
        if not isinstance(array, DeviceArray):
            raise TypeError(f"a device array is needed, got {type(array).__name__}")
        if array.device != self.device.ordinal:
            raise EmulatorError(
                f"an array of device {array.device} was handed to device {self.device.ordinal}"
            )
        return array
