"""Arrays in files, and their digests."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.kernels.sparse.canonical import exact_single


def exact(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the values as float32 if that changes none of them, else as float64."""
    single = exact_single(values)
    return values.astype(np.float64, copy=False) if single is None else single


def digest_of(*arrays: Any) -> str:
    """Return a digest of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def load_arrays(folder: Folder, name: str, keys: Iterable[str]) -> dict[str, Any]:
    """Return the arrays of an .npz file; InputError if it is missing or damaged."""
    where = folder.path(name)
    try:
        with folder.reading(name) as file, np.load(io.BytesIO(file.read())) as archive:
            return {key: archive[key] for key in keys}
    except FileNotFoundError:
        raise InputError(f"{where} is missing: make the data anew") from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{where} is damaged: make the data anew") from None
