"""Compilation of the kernels that a fit is going to launch: several at once, before the first launch.

A file takes NVRTC 0.1 to 2 seconds for each set of definitions, and a fit launches about ten. NVRTC does
not hold the interpreter's lock, so threads share them. CuPy keeps what was compiled on the disk, and the
backend in memory, so that the next fit compiles nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from halfstep.errors import SolverUnavailable
from halfstep.kernels.device.failures import Guarded
from halfstep.kernels.device.uploads import CupyUploads
from halfstep.machine import one_line

# A file and the definitions that it is compiled with.
Variant: TypeAlias = tuple[str, tuple[str, ...]]


class CupyModules(CupyUploads):
    """The part of `halfstep.kernels.cuda.backend.CupyBackend` that compiles.

    Parameters
    ----------
    source
        Returns a kernel file's text, with its headers.
    """

    def __init__(self, cupy: Any, device: Guarded, source: Callable[[str], str]) -> None:
        super().__init__(cupy, device)
        self._source = source
        self._functions: dict[tuple[str, str, tuple[str, ...]], Any] = {}
        self._modules: dict[Variant, Any] = {}

    def uncompiled(self, variants: Sequence[Variant]) -> list[Variant]:
        """See `Backend`."""
        return [variant for variant in variants if variant not in self._modules]

    def compile(self, variants: Sequence[Variant]) -> None:
        """See `Backend`."""
        missing = self.uncompiled(variants)
        if missing:
            with ThreadPoolExecutor(min(len(missing), os.cpu_count() or 1)) as pool:
                for variant, module in zip(missing, pool.map(self._compiled, missing), strict=True):
                    self._modules[variant] = module

    def _function(self, file: str, kernel: str, defines: tuple[str, ...]) -> Any:
        """Return a kernel, compiled if it is not yet."""
        key = (file, kernel, defines)
        if key not in self._functions:
            self.compile([(file, defines)])
            self._functions[key] = self._modules[file, defines].get_function(kernel)
        return self._functions[key]

    def _compiled(self, variant: Variant) -> Any:
        """Return the compiled module.

        Raises
        ------
        SolverUnavailable
            The compiler refuses the file.
        """
        file, defines = variant
        with self.device:
            options = ("-std=c++17", *(f"-D{define}" for define in defines))
            module = self.cupy.RawModule(code=self._source(file), options=options)
            try:
                module.compile()
            except Exception as error:
                if type(error).__name__ not in ("CompileException", "NVRTCError"):
                    raise
                raise SolverUnavailable(
                    f"{file} does not compile for this GPU with {' '.join(defines)}: "
                    f"{one_line(error)[:500]}"
                ) from error
            return module


def announced(count: int) -> str:
    """Return what a progress line says while so many variants are compiled."""
    return f"compiling {count} kernel {'file' if count == 1 else 'files'}"
