"""What an emulated device is asked for while it records, to be done later: the twin of a CUDA graph.

A recording refuses what a stream that is captured refuses: to read a number on the host, to copy one
from there, to wait, to compile. Nothing is computed before a replay but shapes. A replay does what is on
the tape, on the memory that it was recorded for, and runs no line of the recorded code: what that code
took from the host stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NoReturn

import numpy as np
from scipy.linalg import solve_triangular

from emulator.build import EmulatorError
from emulator.dense import QuietNumpy
from halfstep.kernels.device.dense import CardAlgebra


class Tape:
    """Operations in their order, by kind, and the arrays that they work on.

    Attributes
    ----------
    counts
        How many there are of each kind.
    """

    def __init__(self) -> None:
        self.operations: list[Callable[[], Any]] = []
        self.counts: dict[str, int] = {}
        self._kept: list[Any] = []

    def add(self, kind: str, operation: Callable[[], Any], *kept: Any) -> None:
        """Append an operation of arrays that must live as long as the tape."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.operations.append(operation)
        self.keep(*kept)

    def keep(self, *arrays: Any) -> None:
        """Let arrays live as long as the tape."""
        self._kept.extend(arrays)

    def __call__(self) -> None:
        """Do all of it."""
        for operation in self.operations:
            operation()


def refuse(what: str) -> NoReturn:
    """Raise EmulatorError as the CUDA runtime does."""
    raise EmulatorError(f"operation not permitted when stream is capturing: {what}")


class CardArray(np.ndarray[Any, Any]):
    """An array of the device's algebra in a recording: NumPy's functions of it go on the tape."""

    tape: ClassVar[Tape | None] = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        return _taped(getattr(ufunc, method), inputs, named)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _taped(func, args, kwargs)

    def astype(self, dtype: Any) -> Any:
        return _taped(lambda array: array.astype(dtype), (self,), {})

    def copy(self, order: Any = "C") -> Any:
        return _taped(np.array, (self,), {})

    def max(self) -> Any:
        return _taped(np.max, (self,), {})

    def __setitem__(self, where: Any, value: Any) -> None:
        target, value = _plain(self), _plain(value)

        def set_it() -> None:
            target[where] = value

        set_it()  # that the shapes fit is known at once
        _tape().add("algebra", set_it, self)

    def __getitem__(self, where: Any) -> Any:
        found = super().__getitem__(where)
        return found if isinstance(found, np.ndarray) else refuse("a number of an array is read")

    def _read(self, *args: Any, **named: Any) -> NoReturn:
        refuse("an array is read on the host")

    __bool__ = __float__ = __int__ = __index__ = __iter__ = _read
    item = tolist = tobytes = _read  # type: ignore[assignment]


def _tape() -> Tape:
    return CardArray.tape or refuse("an array of a recording is used outside of it")


def _plain(value: Any) -> Any:
    if isinstance(value, CardArray):
        return value.view(np.ndarray)
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    return value


def _taped(function: Any, args: Any, named: Any) -> Any:
    """Return what a function gives, and put on the tape that it is computed into these very arrays."""
    args, plain = _plain(args), {key: _plain(value) for key, value in named.items()}
    given = function(*args, **plain)
    if "out" in plain:  # as in `a += b`
        _tape().add("algebra", lambda: function(*args, **plain), args, plain)
        return named["out"][0]
    several = isinstance(given, tuple)
    found = [np.asarray(part) for part in (given if several else (given,))]
    arrays = [value for value in args if isinstance(value, np.ndarray)]
    if all(any(np.may_share_memory(part, array) for array in arrays) for part in found):
        views = tuple(part.view(CardArray) for part in found)  # of what is computed already
        return views if several else views[0]
    found = [np.array(part) for part in found]

    def again() -> None:
        results = function(*args, **plain)
        for target, part in zip(found, results if several else (results,), strict=True):
            target[...] = part

    _tape().add("algebra", again, args)
    results = tuple(part.view(CardArray) for part in found)
    return results if several else results[0]


class TapedNumpy(QuietNumpy):
    """`QuietNumpy` whose arrays are `CardArray`s."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function

        def on_card(*args: Any, **named: Any) -> Any:
            found = function(*args, **named)
            return found.view(CardArray) if isinstance(found, np.ndarray) else found

        return on_card

    def asarray(self, array: Any) -> Any:
        return array if isinstance(array, CardArray) else refuse("a copy from the host")

    array = asarray

    def cholesky(self, A: Any) -> Any:
        return _taped(super().cholesky, (A,), {})

    def eigh(self, A: Any) -> Any:
        refuse("cuSOLVER waits for eigenvectors")


def _solve_triangular(A: Any, B: Any, **named: Any) -> Any:
    return _taped(lambda A, B: _solved(A, B, named), (A, B), {})


def _solved(A: Any, B: Any, named: Any) -> Any:
    try:
        return solve_triangular(A, B, **named)
    except np.linalg.LinAlgError:  # of numbers that nothing has computed yet
        return np.full_like(B, np.nan)


@contextmanager
def taped_algebra() -> Iterator[CardAlgebra]:
    """Return the device's algebra while it records."""
    yield CardAlgebra(TapedNumpy(), _solve_triangular)
