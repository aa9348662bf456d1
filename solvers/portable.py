"""A model elsewhere: in a file, on another device, in `implicit`, in a nearest-neighbour index."""

from __future__ import annotations

from os import PathLike
from typing import IO, TYPE_CHECKING, Any

from halfstep.solvers.fitted import Fitted

if TYPE_CHECKING:
    from typing_extensions import Self

    from halfstep.solvers.base import Solver
    from halfstep.solvers.neighbours import Neighbours


class Portable(Fitted):
    """Files, devices, `implicit` and indexes."""

    def save(self, fileobj_or_path: str | PathLike[str] | IO[bytes]) -> None:
        """Write constructor arguments and factors to one `.npz` without pickle; see `load`.

        A path without that ending gets it, as `numpy.savez` does. A model that is not fitted is saved as
        such. What is not written: `init_factors`, and a `random_state` that is not an int.
        """
        from halfstep.solvers.storage import save_model

        save_model(self, fileobj_or_path)

    @classmethod
    def load(cls, fileobj_or_path: str | PathLike[str] | IO[bytes]) -> Self:
        """Read a model that any solver saved, on any device, or that `implicit`'s ALS saved.

        Called on a solver's class, the model is of that solver. Called on `Solver` or
        `AlternatingLeastSquares`, it is of the one that saved it, or of the CPU's best rung where that
        one cannot run here (the log says so) or was `implicit`'s.

        Raises
        ------
        InputError
            No such file, or not a model.
        """
        from halfstep.solvers.storage import load_model

        return load_model(cls, fileobj_or_path)

    def to_cpu(self) -> Solver:
        """Return this model on the CPU: a copy of one that is there, else of the best rung there."""
        from halfstep.solvers.interchange import to_device

        return to_device(self, "cpu")

    def to_gpu(self) -> Solver:
        """Return this model on the GPU: a copy of one that is there, else of the best rung there.

        Raises
        ------
        SolverUnavailable
            No GPU can be used here; the message says what is missing.
        """
        from halfstep.solvers.interchange import to_device

        return to_device(self, "gpu")

    def to_implicit(self) -> Any:
        """Return an `implicit.cpu.als.AlternatingLeastSquares` with these settings and factors.

        Its factors are copies. It solves by conjugate gradients unless this model solves exactly.

        Raises
        ------
        InputError
            Another convention than `confidence="implicit"` with one regularization for all rows: its
            recalculations would minimise another objective than these factors.
        SolverUnavailable
            `implicit` is not installed.
        """
        from halfstep.solvers.interchange import to_implicit

        return to_implicit(self)

    def export_index(self, metric: str = "inner_product", query: str = "recommend") -> Neighbours:
        """Return what an external nearest-neighbour index needs to answer as this model does.

        Parameters
        ----------
        metric
            What the index compares by: `"inner_product"`, `"cosine"` or `"l2"`.
        query
            `"recommend"` (users among items), `"similar_items"` or `"similar_users"`.

        Returns
        -------
        Neighbours
            `vectors` to index, `queries` to ask with: see `halfstep.solvers.neighbours`.
        """
        from halfstep.solvers.neighbours import neighbours

        return neighbours(*self._fitted(), metric, query)
