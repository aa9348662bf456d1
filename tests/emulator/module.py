"""Loaded kernels and their launch, with the rules that CuPy and the device have for arguments."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emulator import build
from emulator.build import EmulatorError

ORDERS = {"forward": 0, "reverse": 1, "random": 2, "warp-random": 3}
SHARED_BYTES = 227 * 1024  # of one block: sm_90's, the most of any device here
_GRID = (2**31 - 1, 65535, 65535)
_BLOCK = (1024, 1024, 64)


@functools.cache
def _runtime(sanitizer: str) -> ctypes.CDLL:
    library = ctypes.CDLL(str(build.runtime(sanitizer)), mode=ctypes.RTLD_GLOBAL)
    library.cuemu_last_error.restype = ctypes.c_char_p
    return library


class Module:
    """A compiled `.cu` file; see `build.library` for the arguments."""

    def __init__(
        self,
        path: str | Path,
        defines: Sequence[str] = (),
        templates: Sequence[str] = (),
        *,
        sanitizer: str = "",
        texts: tuple[tuple[str, str], ...] = (),
    ):
        self.path = Path(path).resolve()
        self._runtime = _runtime(sanitizer)
        file, self._symbols = build.library(
            self.path, tuple(defines), tuple(templates), sanitizer, texts
        )
        self._library = ctypes.CDLL(str(file))

    @property
    def kernels(self) -> list[str]:
        """Names that `kernel` takes."""
        return list(self._symbols)

    @functools.cache  # noqa: B019 - modules live as long as the tests
    def kernel(self, name: str) -> Kernel:
        """Return a kernel by its name, or by its name expression."""
        if name not in self._symbols:
            raise EmulatorError(
                f"{self.path.name} has no kernel {name!r}; it has {', '.join(self._symbols)}"
            )
        return Kernel(self, name, self._symbols[name])

    def last_error(self) -> str:
        """Return what ended the last launch."""
        return str(self._runtime.cuemu_last_error().decode())


class Kernel:
    """One kernel; called as a `cupy.RawKernel` is."""

    def __init__(self, module: Module, name: str, symbol: str):
        self._module, self.name = module, name
        self._launch = getattr(module._library, f"launch_{symbol}")
        signature = getattr(module._library, f"signature_{symbol}")
        signature.restype = ctypes.c_char_p
        self.parameters = [p for p in signature().decode().split(",") if p]

    def __call__(
        self,
        grid: Sequence[int],
        block: Sequence[int],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
        order: str = "forward",
        seed: int = 1,
        shared_limit: int = SHARED_BYTES,
    ) -> None:
        """Run it to its end.

        Parameters
        ----------
        grid, block
            Up to three sizes each.
        args
            NumPy arrays for pointers (None for a null pointer), NumPy scalars for values; a Python
            int goes as int64 and a float as float64, as CuPy passes them.
        shared_mem
            Bytes of dynamic shared memory.
        order
            A key of `ORDERS`: which thread goes first between two barriers.
        seed
            Of the two random orders.
        shared_limit
            Bytes of shared memory that a block may have.

        Raises
        ------
        EmulatorError
            The launch does not fit the kernel or the device, or the kernel went wrong.
        """
        grid, block = _sizes("grid", grid, _GRID), _sizes("block", block, _BLOCK)
        where = f"{self._module.path.name}: {self.name}"
        if int(np.prod(block)) > 1024:
            raise EmulatorError(f"{where}: a block has at most 1024 threads, got {block}")
        if not 0 <= shared_mem <= shared_limit:
            raise EmulatorError(
                f"{where}: {shared_mem} bytes of shared memory, and a block has {shared_limit}"
            )
        if len(args) != len(self.parameters):
            raise EmulatorError(
                f"{where}: {len(args)} arguments for {len(self.parameters)} parameters"
            )
        keep = []
        pointers = (ctypes.c_void_p * max(len(args), 1))()
        for i, (value, parameter) in enumerate(zip(args, self.parameters, strict=True)):
            try:
                held = _argument(value, parameter)
            except EmulatorError as error:
                raise EmulatorError(f"{where}, argument {i}: {error}") from None
            keep.append(held)
            pointers[i] = held.ctypes.data
        sizes = (ctypes.c_uint * 6)(*grid, *block)
        failed = self._launch(
            sizes,
            ctypes.c_size_t(shared_mem),
            ctypes.c_size_t(shared_limit),
            pointers,
            ctypes.c_uint64(seed),
            ORDERS[order],
        )
        if failed:
            raise EmulatorError(f"{where}: {self._module.last_error()}")


def _sizes(name: str, sizes: Sequence[int], most: tuple[int, int, int]) -> tuple[int, ...]:
    if not isinstance(sizes, tuple) or not 1 <= len(sizes) <= 3:
        raise EmulatorError(f"{name} must be a tuple of one to three sizes, got {sizes!r}")
    full = (*(int(n) for n in sizes), 1, 1)[:3]
    for n, limit in zip(full, most, strict=True):
        if not 1 <= n <= limit:
            raise EmulatorError(f"{name} must be from 1 to {most}, got {sizes}")
    return full


def _argument(value: Any, parameter: str) -> np.ndarray[Any, Any]:
    """Return an array that holds the parameter's bytes: a value, or an address."""
    if value is None and parameter.startswith("*"):
        return np.zeros(1, np.uintp)
    if isinstance(value, np.ndarray):
        if parameter not in (f"*{value.dtype.name}", "*?"):
            raise EmulatorError(f"an array of {value.dtype.name} for a parameter {parameter}")
        if not value.flags.c_contiguous:
            raise EmulatorError("the array is not C-contiguous")
        return np.array([value.ctypes.data], np.uintp)
    if not isinstance(value, np.generic):
        if not isinstance(value, bool | int | float):
            raise EmulatorError(f"a {type(value).__name__} for a parameter {parameter}")
        kind = (
            np.bool_
            if isinstance(value, bool)
            else np.int64
            if isinstance(value, int)
            else np.float64
        )
        value = kind(value)
    if value.dtype.name != parameter:
        raise EmulatorError(f"a scalar of {value.dtype.name} for a parameter {parameter}")
    return np.array([value])
