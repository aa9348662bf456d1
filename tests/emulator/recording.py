"""The emulated device, with what it is asked for on a tape while it records."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from emulator.arrays import DeviceArray
from emulator.backend import PlainBackend
from emulator.tape import CardArray, Tape, refuse, taped_algebra
from halfstep.kernels.device.dense import CardAlgebra


class EmulatorBackend(PlainBackend):
    """One emulated device, as the solvers see it; see `PlainBackend`.

    Attributes
    ----------
    tapes
        What was recorded, in order.
    replays
        How often a tape was replayed. What a replay launches and multiplies counts nowhere else, since
        the host does not ask for it.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.tapes: list[Tape] = []
        self.replays = 0
        self._tape: Tape | None = None

    @property
    def recording(self) -> bool:
        """Whether `record` is recording."""
        return self._tape is not None

    def record(self, region: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        """Return what replays the region, and its result; nothing runs yet."""
        tape = self._tape = CardArray.tape = Tape()
        try:
            result = region()
        finally:
            self._tape = CardArray.tape = None
        self.tapes.append(tape)

        def replay() -> None:
            self.replays += 1
            lists: tuple[list[Any], ...] = (self.launches, self.products, self.calls)
            before = list(map(len, lists))
            tape()
            for counted, length in zip(lists, before, strict=True):
                del counted[length:]

        return replay, result

    def to_device(self, array: Any) -> DeviceArray:
        """Return a copy on the device; while it records, of arrays of its algebra alone."""
        if self._tape is None or isinstance(array, DeviceArray):
            return super().to_device(array)
        if not isinstance(array, CardArray):
            refuse("a copy from the host")
        source, copied = array.view(np.ndarray), self.empty(array.shape, array.dtype)

        def copy() -> None:
            copied._values[...] = source

        self._tape.add("copy", copy, array, copied)
        return copied

    def to_host(self, array: DeviceArray) -> np.ndarray[Any, Any]:
        """Return a copy on the host."""
        if self._tape is not None:
            refuse("a copy to the host")
        return super().to_host(array)

    def product(
        self, A: DeviceArray, B: DeviceArray, *, tf32: bool = False, out: DeviceArray | None = None
    ) -> DeviceArray:
        """Return A B on the device, in `out` if given."""
        whole = super().product
        if self._tape is None:
            found = whole(A, B, tf32=tf32)
            if out is not None:
                self.copy(out, found)
            return found if out is None else out
        if out is None:
            out = self.empty((len(A), B.shape[1]), A.dtype)
        self._into("product", out, lambda: whole(A, B, tf32=tf32), A, B)
        return out

    def gram(self, Y: DeviceArray) -> DeviceArray:
        """Return Y'Y (f, f) in float64."""
        if self._tape is None:
            return super().gram(Y)
        out = self.empty((Y.shape[1], Y.shape[1]), np.float64)
        whole = super().gram
        self._into("gram", out, lambda: whole(Y), Y)
        return out

    def _into(self, kind: str, out: DeviceArray, computed: Callable[[], Any], *kept: Any) -> None:
        def compute() -> None:
            found = computed()  # whose memory is freed with it
            out._values[...] = found._values

        assert self._tape is not None
        self._tape.add(kind, compute, out, *kept)

    def on_card(self) -> AbstractContextManager[CardAlgebra]:
        """Return a context with the device's algebra."""
        return super().on_card() if self._tape is None else taped_algebra()

    def raw(self, array: DeviceArray) -> np.ndarray[Any, Any]:
        """Return the numbers of an array for the algebra; while it records, those that it will have."""
        if self._tape is None:
            return super().raw(array)
        self._tape.keep(array)
        return self._own(array)._values.view(CardArray)

    def copy(self, target: DeviceArray, source: DeviceArray) -> None:
        """Copy an array onto another one."""
        if self._tape is None:
            super().copy(target, source)
            return
        whole = super().copy
        self._tape.add("copy", lambda: whole(target, source), target, source)

    def launch(self, file: str, kernel: str, defines: Any, *args: Any, **named: Any) -> None:
        """Run a kernel, or put its launch on the tape."""
        if self._tape is None:
            super().launch(file, kernel, defines, *args, **named)
            return
        if self.uncompiled([(file, tuple(defines))]):
            refuse(f"{file} is not compiled for {' '.join(defines)}")
        whole = super().launch
        self._tape.add("launch", lambda: whole(file, kernel, defines, *args, **named), args)

    def synchronize(self) -> None:
        """Wait for nothing: a launch ends before it returns."""
        if self._tape is not None:
            refuse("a wait")
        super().synchronize()

    def upload(self, target: DeviceArray, array: Any, slot: int) -> None:
        """Copy a host array onto a device array some time before it is waited for."""
        if self._tape is not None:
            refuse("an upload")
        super().upload(target, array, slot)
