"""Models of what another program left: a file, or a model of `implicit`."""

from __future__ import annotations

from os import PathLike
from typing import IO, Any

from halfstep.solvers.als import AlternatingLeastSquares
from halfstep.solvers.model import conversion


def load(fileobj_or_path: str | PathLike[str] | IO[bytes]) -> AlternatingLeastSquares:
    """Read a model from a file that any solver, `halfstep fit` or `implicit`'s ALS saved.

    The `load` of `halfstep.Recommender` reads ids, names and histories too, if the file has them.

    Parameters
    ----------
    fileobj_or_path
        A path, with or without its ending `.npz`, or a file that is open for reading bytes.

    Returns
    -------
    AlternatingLeastSquares
        A model with the solver that saved the file; with the best one on the CPU if that solver cannot
        run here (the log says so), or if `implicit` saved the file.

    Raises
    ------
    InputError
        There is no such file, or it is not a model.

    See Also
    --------
    halfstep.Solver.save : Writes the file.
    halfstep.Recommender : Its `load` reads the rest of the file.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 1, 0, 2], [0, 2, 0, 0, 4, 0], [1, 0, 0, 3, 0, 0]])
    >>> model = halfstep.AlternatingLeastSquares(factors=2, solver="cholesky", random_state=0)
    >>> model.fit(plays, show_progress=False).save("model.npz")
    >>> halfstep.load("model.npz")
    AlternatingLeastSquares(factors=2, random_state=0, solver='cholesky')
    """
    return AlternatingLeastSquares.load(fileobj_or_path)


def from_implicit(model: Any, solver: str = "auto") -> AlternatingLeastSquares:
    """Return a model with the settings and factors of `implicit`'s AlternatingLeastSquares.

    Parameters
    ----------
    model
        A CPU or GPU model of `implicit`, fitted or not. Its factors are copied.
    solver
        As in `AlternatingLeastSquares`. With `"auto"`, the choice follows `use_cg` and `use_native`
        of the given model.

    Returns
    -------
    AlternatingLeastSquares
        A model whose `factors` and `dtype` are those of the factors; float16 becomes float32.

    Raises
    ------
    InputError
        `model` is another kind of object, or its factors are not two matrices of one width and finite.

    See Also
    --------
    halfstep.Solver.to_implicit : The other way.
    halfstep.load : Reads a file that `implicit` saved.

    Examples
    --------
    >>> import halfstep
    >>> from implicit.cpu.als import AlternatingLeastSquares
    >>> from threadpoolctl import threadpool_limits
    >>> with threadpool_limits(1, "blas"):
    ...     theirs = AlternatingLeastSquares(factors=8)
    >>> halfstep.from_implicit(theirs, solver="cholesky")
    AlternatingLeastSquares(factors=8, solver='cholesky')
    """
    return AlternatingLeastSquares.of(conversion.from_implicit(model, solver))
