"""Switches of the GPU solvers that are off until a device has shown that they pay and keep the quality.

`optional` turns them on inside a `with`; the environment variable HALFSTEP_GPU_OPTIONS, names separated
by commas, for the whole process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from halfstep.errors import InputError

VARIABLE = "HALFSTEP_GPU_OPTIONS"
# Each is counted for one half-step of `gpu_cg_7_half`, which without options makes three products of
# factor matrices and one Gramian, and whose host waits for the device once.
OPTIONS: dict[str, str] = {
    "tf32-start": "Multiplies the start by tensor cores in TF32, 11 bits of each number: one of the "
    "three products of a half-step, whose errors the steps correct.",
    "tf32-fixed": "Multiplies the fixed side by tensor cores in TF32 if it is stored in 16 bits "
    "afterwards: one of the three products of a half-step.",
    "gram-in-place": "Computes the Gramian without a transposed copy of the factors: writes and reads "
    "rows x factors numbers less in a half-step, in the same dtype and order of sums.",
    "coordinates": "Leaves solutions in whitened coordinates inside a fit, which makes two products of "
    "factor matrices in a half-step instead of three; a resumed fit then agrees with an uninterrupted "
    "one only to rounding.",
    "factor-on-card": "Factorises the Gramian on the device in float64, so that no matrix crosses to "
    "the host and it waits once in an iteration instead of three times; if that fails, it warns and "
    "goes on with the host.",
    "graph": "Records an iteration as a CUDA graph and replays it, so that the host asks the device for "
    "one launch, a copy of each side's factors and one read in an iteration instead of about a hundred "
    "launches; it needs the option factor-on-card.",
    "coarse-top-k": "Passes over most items of a query's list by their scores from 16 bits on tensor "
    "cores, which are bounded, and scores the others in float32: the same lists to the bit.",
}
# What an option cannot be without.
NEEDS: dict[str, tuple[str, ...]] = {"graph": ("factor-on-card",)}
OF_QUERIES = frozenset({"coarse-top-k"})  # which no fit asks for

_turned_on: list[frozenset[str]] = []
_suspended: list[str] = []


@contextmanager
def optional(*names: str) -> Iterator[None]:
    """Turn these options on inside the `with`, beside those that are on already.

    Raises
    ------
    InputError
        A name is unknown.
    """
    _turned_on.append(_known(names))
    try:
        yield
    finally:
        _turned_on.pop()


@contextmanager
def suspended(name: str) -> Iterator[None]:
    """Turn an option off inside the `with`, however it was turned on."""
    _suspended.append(name)
    try:
        yield
    finally:
        _suspended.pop()


def enabled(name: str) -> bool:
    """Return whether an option is on; InputError if HALFSTEP_GPU_OPTIONS has an unknown name."""
    named = _known(part.strip() for part in os.environ.get(VARIABLE, "").split(",") if part.strip())
    if any(off in _suspended for off in (name, *NEEDS.get(name, ()))):
        return False
    return name in named or any(name in names for names in _turned_on)


def check_needs() -> None:
    """Raise InputError if an option is on without another one that it needs."""
    for name, needs in NEEDS.items():
        missing = [need for need in needs if enabled(name) and not enabled(need)]
        if missing:
            raise InputError(f"the GPU option {name} needs {missing[0]} beside it, which is off")


def _known(names: Iterable[str]) -> frozenset[str]:
    names = frozenset(names)
    unknown = sorted(names - OPTIONS.keys())
    if unknown:
        raise InputError(f"a GPU option must be one of {', '.join(OPTIONS)}, got {unknown[0]!r}")
    return names
