"""CUDA graphs: what a region of code asks of the device, recorded once and replayed by one launch.

A launch costs the host microseconds, also one of CuPy's own small kernels, and an iteration has about a
hundred. Replayed, they cost the host one launch together.

While a stream is recorded nothing runs, so the region must not read a number of the device, nor depend
on anything of the host that changes later. Arrays that it makes get fixed addresses, from
a memory pool of the recording's own: freed in the region, they are used again in the region, and by
nobody else as long as the graph lives. That pool never gives memory back while it is needed: where the
device has no room for it, the recording fails.

Eigenvectors cannot be recorded: cuSOLVER's routine for them waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np

from halfstep.kernels.device import dense
from halfstep.kernels.device.compiling import CupyModules
from halfstep.kernels.device.failures import POOLS
from halfstep.kernels.device.libraries import WORKSPACE_BYTES, Libraries

T = TypeVar("T")


class NotRecorded(RuntimeError):
    """A region cannot be recorded; the message says why."""


class CupyGraphs(CupyModules):
    """The part of `halfstep.kernels.cuda.backend.CupyBackend` that records."""

    _handles: Libraries | None = None
    _recording: Libraries | None = None

    @property
    def recording(self) -> bool:
        """See `Backend`."""
        return self._recording is not None

    def record(self, region: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """See `Backend`."""
        with self.device:
            first = self._handles is None
            handles = self._handles = self._handles or Libraries()
            # Give back unused blocks: the recording needs about as much.
            self.cupy.get_default_memory_pool().free_all_blocks()
            stream = self.cupy.cuda.Stream(non_blocking=True)
            pool = self.cupy.cuda.MemoryPool(self._allocated)
            with self.cupy.cuda.using_allocator(pool.malloc), stream:
                workspace = self.cupy.empty(WORKSPACE_BYTES, np.uint8)
                handles.use(stream.ptr, workspace.data.ptr, workspace.nbytes)
                if first:
                    _load(self.cupy, handles)
                with self._captured(stream) as graphs:
                    result = region()
        return _Graph(self, graphs[0], pool, (workspace, result)), result

    @contextmanager
    def _captured(self, stream: Any) -> Iterator[list[Any]]:
        """Record what is launched on the stream inside, and append the graph to the list yielded."""
        graphs: list[Any] = []
        self._recording = self._handles
        try:
            # In the relaxed mode, CuPy's default, the pool may allocate meanwhile.
            stream.begin_capture()
            try:
                yield graphs
            except BaseException:
                with suppress(Exception):  # what went wrong first says more
                    stream.end_capture()
                raise
            graphs.append(stream.end_capture())
        finally:
            self._recording = None

    def _allocated(self, nbytes: int) -> Any:
        """Return new memory; a pool that gets CuPy's own error would free blocks that are recorded."""
        try:
            return self.cupy.cuda.MemoryPointer(self.cupy.cuda.Memory(nbytes), 0)
        except Exception as error:
            raise NotRecorded(f"the device has no room for {nbytes} bytes of its own") from error


def _load(cupy: Any, libraries: Libraries) -> None:
    """Use once what only recordings use: to compile and to load code is no part of a recording."""
    algebra = RecordedAlgebra(cupy, libraries)
    algebra.inverse_of_upper(algebra.cholesky(2 * cupy.eye(8)))
    for kind in (np.float32, np.float64):
        dense.gram(cupy, cupy.zeros((5, 8), kind), libraries)


class _Graph:
    """A graph, and what must live as long as it does."""

    def __init__(self, backend: CupyGraphs, graph: Any, pool: Any, kept: Any) -> None:
        self._backend, self._graph, self._pool, self._kept = backend, graph, pool, kept
        POOLS.add(self)

    def total_bytes(self) -> int:
        """Return how many bytes its pool holds."""
        return int(self._pool.total_bytes())

    def __call__(self) -> None:
        """Launch the graph on the current stream."""
        with self._backend.device:
            self._graph.launch()


class RecordedAlgebra(dense.CardAlgebra):
    """`CardAlgebra` by calls that can be recorded.

    The libraries store matrices by columns, where a C-contiguous A is A': an upper R is a lower L.
    """

    def __init__(self, cupy: Any, libraries: Libraries) -> None:
        super().__init__(cupy, None)
        self._libraries = libraries

    def product(self, A: Any, B: Any) -> Any:
        """See `Algebra`."""
        A, B = map(self.xp.ascontiguousarray, (A, B))
        return dense.product(self.xp, A, B, libraries=self._libraries)

    def _upper(self, A: Any) -> Any:
        f, libraries = len(A), self._libraries
        R = self.xp.array(A, order="C")  # A is symmetric, so it is also A by columns
        size = libraries.potrf_size(f, R.data.ptr)
        workspace = self.xp.empty(max(1, size), np.float64)
        info = self.xp.empty(1, np.int32)
        libraries.potrf(f, R.data.ptr, workspace.data.ptr, size, info.data.ptr)
        return self.xp.triu(R)  # below it are still numbers of A

    def inverse_of_upper(self, R: Any) -> Any:
        """See `Algebra`: X in R X = I, which by columns is X' L = I."""
        f, of = len(R), self._libraries
        R, X, one = self.xp.ascontiguousarray(R), self.xp.eye(f), np.ones(1)
        of.dtrsm(
            of.handle, of.CUBLAS_SIDE_RIGHT, of.CUBLAS_FILL_MODE_LOWER, of.CUBLAS_OP_N,
            of.CUBLAS_DIAG_NON_UNIT, f, f, one.ctypes.data, R.data.ptr, f, X.data.ptr, f,
        )  # fmt: skip
        return X

    def eigh(self, A: Any) -> tuple[Any, Any]:
        """Raise NotRecorded."""
        raise NotRecorded("eigenvectors are computed with waits for the device")


@contextmanager
def recorded_algebra(cupy: Any, device: Any, libraries: Libraries) -> Iterator[RecordedAlgebra]:
    """Make a device the current one, with the algebra that can be recorded on it."""
    with device:
        yield RecordedAlgebra(cupy, libraries)
