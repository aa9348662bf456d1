"""Arrays of other libraries, on the host or on a CUDA device, as NumPy arrays.

A library says where its array lies by one of two protocols: `__cuda_array_interface__` (CuPy, Numba,
PyTorch; a CUDA device) or DLPack (`__dlpack__` and `__dlpack_device__`: also JAX and others; any
device). What lies on a CUDA device is read with CuPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.errors import InputError

# DLPack's numbers for the kinds of memory (dlpack.h, DLDeviceType).
_HOST = (1, 3)  # plain, and page-locked by CUDA
_CUDA = (2, 13)  # a device's own, and managed


def on_host(value: Any, name: str = "array") -> Any:
    """Return what lies on a device, or belongs to another library, as a NumPy array.

    Parameters
    ----------
    value
        Whatever a caller has. An array on the host with DLPack is shared, one on a device copied;
        anything without either protocol is returned as it is.
    name
        What errors call it.

    Raises
    ------
    InputError
        It lies where nothing here can read it (on a CUDA device without CuPy, or on another kind of
        device), or its owner does not hand it out, as PyTorch does not while gradients are taken.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        if hasattr(value, "__cuda_array_interface__"):
            cupy = _cupy(name)
            return cupy.asnumpy(cupy.asarray(value))
        if not (hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__")):
            return value
        kind = int(value.__dlpack_device__()[0])
        if kind in _HOST:
            return np.from_dlpack(value)
        if kind in _CUDA:
            cupy = _cupy(name)
            return cupy.asnumpy(cupy.from_dlpack(value))
    except (InputError, MemoryError):
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} cannot be read from {type(value).__name__}: {why}") from error
    raise InputError(f"{name} must lie on the host or a CUDA device, got DLPack's device {kind}")


def _cupy(name: str) -> Any:
    try:
        import cupy
    except Exception:
        from halfstep.machine import why_no_gpu

        raise InputError(
            f"{name} lies on a CUDA device and is read with CuPy, but {why_no_gpu()}"
        ) from None
    return cupy
