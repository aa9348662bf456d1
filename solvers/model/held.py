"""The one check of factor matrices, and a side's factors as a model holds them.

Every assignment to `user_factors` or `item_factors` makes a new `Held`, whatever is assigned, so what
was computed from a side (its Gramian, its norms, the verdict that it is finite) ends with an assignment.
Numbers that are written *into* an array which the model holds are not seen until the array is assigned
again. To see them, each query would have to read all factors once more, which takes as long as the
product with a user's vector: it would double the time of `recommend` for one user.

A query or an export takes two-dimensional NumPy arrays of float32 or float64, with as many columns on
both sides and all numbers finite:

* other byte orders, and arrays that are not aligned, are copied once, at the first use;
* memory-mapped files, read-only arrays and arrays of any strides are used as they are;
* float16, integers, lists, masked arrays and objects are refused, for one id as for many: one conversion
  by the caller costs less than one in every query.
"""

from __future__ import annotations

import logging
import math
import mmap
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.memory import gigabytes
from halfstep.solvers.inputs import norms, on_host, row_not_finite, whole_norm
from halfstep.types import Floats

log = logging.getLogger("halfstep")

# Held by who sets a side's factors or stores rows in them.
storing = threading.Lock()

SIDES = ("user_factors", "item_factors")


def checked(given: Mapping[str, Any]) -> dict[str, Floats]:
    """Return the factor matrices `given` by name, checked; those that are None are left out.

    Raises
    ------
    InputError
        One is not a two-dimensional array of float32 or float64 with a column, or not finite; or their
        numbers of columns differ.
    """
    arrays = {name: as_factors(value, name) for name, value in given.items() if value is not None}
    check_widths({name: array.shape for name, array in arrays.items()})
    for name, array in arrays.items():
        check_finite(array, name)
    return arrays


def as_factors(value: Any, name: str) -> Floats:
    """Return factors as a native, aligned array (rows, f) of float32 or float64: itself if it is one.

    Raises
    ------
    InputError
        It is no array of that kind; the message says its type, dtype or shape.
    """
    array: Any = on_host(value, name)
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        raise InputError(f"{name} must be a NumPy array, got {type(array).__name__}")
    check_form(array.shape, array.dtype, name)
    native = array.dtype.newbyteorder("=")
    if array.dtype != native or not array.flags.aligned:
        log.info("%s are copied once, %s: %s of the machine's byte order need no copy",
                 name, gigabytes(array.nbytes), native)  # fmt: skip
        return np.array(array, native)
    # A view without a copy: of `numpy.memmap` and `numpy.matrix`, what an operation returns is odd.
    return np.asarray(array)


def check_form(shape: tuple[int, ...], dtype: Any, name: str) -> None:
    """Raise InputError unless this is a matrix of float32 or float64 with at least one column."""
    if np.dtype(dtype).newbyteorder("=") not in (np.float32, np.float64):
        raise InputError(
            f"{name} must be float32 or float64, got {dtype}: assign {name}.astype(numpy.float32)"
        )
    if len(shape) != 2 or shape[1] == 0:
        raise InputError(
            f"{name} must be a matrix, a row for each id and a column for each factor, "
            f"got shape {shape}"
        )


def check_widths(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise InputError unless all matrices have as many columns."""
    if len({shape[1] for shape in shapes.values()}) > 1:
        raise InputError(
            f"{' and '.join(shapes)} must have as many columns, got shapes "
            f"{' and '.join(map(str, shapes.values()))}: assign both sides of one fit"
        )


def check_finite(array: Floats, name: str) -> None:
    """Raise InputError if a row has a NaN or an infinity; reads the whole array once."""
    row = row_not_finite(array)
    if row is not None:
        raise InputError(f"{name} must be finite, row {row} is not")


class Gate:
    """How many queries read an array at the moment; `reading` says what for."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.readers = 0

    def enter(self) -> None:
        """Keep the array as it is until `leave`."""
        with self.lock:
            self.readers += 1

    def leave(self) -> None:
        """Let rows be stored in the array, unless another query reads it."""
        with self.lock:
            self.readers -= 1


class Held:
    """One side's factors, as they were assigned, with what has been computed from them."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self.gate = Gate()
        self._array: Floats | None = None
        self._layout: tuple[Any, ...] = ()
        self.finite = False
        self._length: float | None = None
        self._derived: dict[str, Floats] = {}

    def read(self) -> Any:
        """Return what the model's attribute reads: what was assigned, or its copy on the host."""
        return self._given

    def is_of(self, array: Any) -> bool:
        """Return whether `array` is what was assigned, or the array that answers."""
        return array is self._given or (array is not None and array is self._array)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape (rows, f) after the check of `as_factors`; `name` is for its errors."""
        return self.array(name).shape

    def array(self, name: str = "factors") -> Floats:
        """Return the factors (rows, f) as `as_factors` does; the same object as long as nothing changes.

        Attributes of the array that were set in place, such as its shape, are looked at each time.
        """
        array = self._array
        if array is None or _layout(array) != self._layout:
            self.forget()
            given = self.read()
            array = as_factors(given, name)
            if not isinstance(given, np.ndarray) or not np.may_share_memory(array, given):
                self._given = array
            self._array, self._layout = array, _layout(array)
        return array

    def width(self) -> int | None:
        """Return the number of columns if all was checked and no attribute was set since, else None."""
        array = self._array
        if array is None or not self.finite or _layout(array) != self._layout:
            return None
        width: int = array.shape[1]
        return width

    def check_finite(self, name: str, sparingly: bool = False) -> None:
        """Raise InputError if a row is not finite; the factors are read once in an assignment's life.

        With `sparingly`, the caller checks the rows that it takes, and a memory-mapped file is not read.
        """
        if self.finite or (sparingly and _mapped(self.array(name))):
            return
        array = self.array(name)
        if not math.isfinite(self.length()):
            check_finite(array, name)
        self.finite = True

    def gramian(self) -> Floats:
        """Return the Gramian (f, f) of the factors."""
        return self.derived("gramian", _gramian)

    def norms(self) -> Floats:
        """Return each row's Euclidean norm, (rows,); 1 where it is zero.

        Raises InputError if a norm is beyond the dtype's numbers.
        """
        return self.derived("norms", _norms)

    def scales(self) -> Floats:
        """Return what scores are multiplied by to be cosines with a vector of length 1: 1 / norms."""
        return self.derived("scales", lambda _: 1 / self.norms())

    def length(self) -> float:
        """Return a number that no row's norm exceeds; infinity if it is beyond the dtype's numbers."""
        array, length = self.array(), self._length
        if length is None:
            length = self._length = whole_norm(array)
        return length

    def follow(self, before: Held, rows: Floats, name: str) -> None:
        """Take over what is known of `before`, whose factors these are but for the finite `rows`."""
        if self.array(name) is before.array(name):
            self.gate = before.gate
        if before.finite:
            self.finite = True
            self._length = math.hypot(before.length(), whole_norm(rows))

    def derived(self, what: str, derive: Callable[[Floats], Floats]) -> Floats:
        """Return derive(factors), kept under the name `what`."""
        array = self.array()
        # Two threads at once compute one result twice at worst.
        kept = self._derived
        if what not in kept:
            kept[what] = derive(array)
        return kept[what]

    def forget(self) -> None:
        """Drop what has been computed from the factors."""
        self._derived, self._length, self.finite = {}, None, False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.read(),)


def _layout(array: Floats) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype


def _gramian(factors: Floats) -> Floats:
    gramian: Floats = factors.T @ factors
    return gramian


def _norms(factors: Floats) -> Floats:
    with np.errstate(over="ignore"):
        lengths = norms(factors)
    finite = np.isfinite(lengths)
    if not finite.all():
        raise InputError(
            f"factors must have a norm in {factors.dtype}, row {int(np.argmin(finite))} is too large"
        )
    return lengths


def _mapped(array: Any) -> bool:
    """Return whether an array is a file that is mapped into memory, or a part of one."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return isinstance(array, mmap.mmap)
