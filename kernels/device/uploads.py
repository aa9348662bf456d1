"""Uploads to slots of device memory, on a CUDA stream of their own, while kernels run on another."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.kernels.device.failures import Guarded
from halfstep.machine import one_line

log = logging.getLogger("halfstep")


class CupyUploads:
    """The part of `halfstep.kernels.cuda.backend.CupyBackend` that uploads.

    A slot is a number for a set of arrays that are uploaded and used in turn: `release` after the
    launches that use them, then `upload`, then `wait_for_uploads` before the next such launches.
    """

    def __init__(self, cupy: Any, device: Guarded) -> None:
        self.cupy, self.device = cupy, device
        self._copies: Any = None  # the stream of uploads
        self._uploaded: dict[int, Any] = {}
        self._released: dict[int, Any] = {}

    def page_locked(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """See `Backend`; the array as it is, and a line of the log, if no more pages can be locked."""
        if isinstance(array, np.memmap) or array.size == 0:
            return array
        import cupyx

        try:
            locked: npt.NDArray[Any] = cupyx.empty_pinned(array.shape, array.dtype)
        except (MemoryError, self.cupy.cuda.runtime.CUDARuntimeError) as error:
            log.warning("no page-locked memory, uploads will be slower: %s", one_line(error))
            return array
        locked[...] = array
        return locked

    def upload(self, target: Any, array: npt.NDArray[Any], slot: int) -> None:
        """See `Backend`."""
        with self.device:
            if self._copies is None:
                self._copies = self.cupy.cuda.Stream(non_blocking=True)
            if slot in self._released:
                self._copies.wait_event(self._released[slot])
            target.set(np.ascontiguousarray(array), self._copies)
            self._uploaded[slot] = self._copies.record()

    def wait_for_uploads(self, slot: int) -> None:
        """See `Backend`."""
        with self.device:
            self.cupy.cuda.get_current_stream().wait_event(self._uploaded[slot])

    def release(self, slot: int) -> None:
        """See `Backend`."""
        with self.device:
            self._released[slot] = self.cupy.cuda.get_current_stream().record()
