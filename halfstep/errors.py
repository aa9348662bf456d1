"""The errors and the warnings that halfstep raises for its users."""

from __future__ import annotations

from typing import Any


class InputError(ValueError):
    """Bad input: the message names the argument, the rule and the value, in one line.

    See Also
    --------
    halfstep.errors.NotFitted : The model has no factors yet.
    halfstep.errors.UnknownId : An id outside the model.
    halfstep.errors.NotEnoughMemory : A fit that would not fit the machine.

    Examples
    --------
    >>> import halfstep
    >>> halfstep.AlternatingLeastSquares(factors=0)
    Traceback (most recent call last):
        ...
    halfstep.errors.InputError: factors must be at least 1, got 0
    """


class NotFinite(FloatingPointError):
    """A half-step led to NaN or infinity; `fit` says which factors the model then has.

    Parameters
    ----------
    reason
        What the message says.
    row, iteration, side
        The attributes of these names.

    Attributes
    ----------
    reason
        What happened, without the iteration.
    row
        The first row that is not finite, or None if no single row is the cause.
    iteration, side
        Where in a fit: the iteration, counted from 0 as callbacks count, and the side that was being
        solved, "user" or "item". None outside a fit.

    See Also
    --------
    halfstep.Solver.fit : Says which factors the model has afterwards.
    halfstep.NumericalWarning : A result that is finite, but less than it should be.

    Examples
    --------
    >>> from halfstep.errors import NotFinite
    >>> error = NotFinite("the users' half-step failed", row=3, iteration=0, side="user")
    >>> print(error)
    iteration 0: the users' half-step failed
    >>> error.row, error.side
    (3, 'user')
    """

    def __init__(
        self,
        reason: str,
        row: int | None = None,
        iteration: int | None = None,
        side: str | None = None,
    ) -> None:
        super().__init__(reason if iteration is None else f"iteration {iteration}: {reason}")
        self.reason, self.row, self.iteration, self.side = reason, row, iteration, side

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.row, self.iteration, self.side)


class NotEnoughMemory(InputError, MemoryError):
    """A fit was not started because it needs more memory than is free; the message says what fits.

    See Also
    --------
    halfstep.errors.DeviceOutOfMemory : A device's memory ran out during a fit.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3], [0, 2, 1]])
    >>> model = halfstep.AlternatingLeastSquares(factors=2 * 10**9, solver="cholesky")
    >>> model.fit(plays)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    halfstep.errors.NotEnoughMemory: this fit needs about ... GB of memory ...
    """


class DeviceOutOfMemory(MemoryError):
    """A CUDA device ran out of memory during a fit or a query; the message says who holds it.

    Parameters
    ----------
    reason
        What the message says.
    available
        The attribute of this name.

    Attributes
    ----------
    reason
        What the message says.
    available
        Bytes that this process could have in all when it happened; 0 if that is not known.

    See Also
    --------
    halfstep.errors.NotEnoughMemory : A fit that was not started for lack of memory.
    halfstep.solvers.gpu.base.GpuSolver : Its `memory_limit` bounds what a fit uses on a device.

    Examples
    --------
    Where other programs use the device too, a fit can be repeated with less of its memory:

    >>> from halfstep.errors import DeviceOutOfMemory
    >>> try:
    ...     model.fit(user_items)  # doctest: +SKIP
    ... except DeviceOutOfMemory as error:
    ...     model.set_params(memory_limit=error.available / 2 or None).fit(user_items)
    """

    def __init__(self, reason: str, available: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.available = reason, available

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.available)


class DeviceLost(RuntimeError):
    """A CUDA device failed during a fit or a query, and this process cannot use it any more.

    A fit's message names its checkpoint. The fit's model has no factors, since they were on the device.

    See Also
    --------
    halfstep.Solver.fit : Its `checkpoint` and `resume` let another process go on.

    Examples
    --------
    >>> from halfstep.errors import DeviceLost
    >>> try:
    ...     model.fit(user_items, checkpoint="fit.npz", resume=True)  # doctest: +SKIP
    ... except DeviceLost as error:
    ...     sys.exit(f"{error}: start again")
    """


class SolverUnavailable(RuntimeError):
    """A solver that was requested by name cannot run here; the message says what to install.

    See Also
    --------
    halfstep.solvers.choose : Which solver the arguments choose here.
    halfstep.Solver.unavailable : Why a solver cannot run here, without an error.

    Examples
    --------
    On a machine without a GPU:

    >>> import halfstep
    >>> halfstep.AlternatingLeastSquares(solver="gpu")  # doctest: +SKIP
    Traceback (most recent call last):
        ...
    halfstep.errors.SolverUnavailable: solver 'gpu' cannot run here: ...
    """


class NumericalWarning(UserWarning):
    """A result is less than it should be: numbers were too large or too near. The message says why.

    See Also
    --------
    halfstep.errors.NotFinite : There is no finite result at all.

    Examples
    --------
    Here both users have all items, which tells BM25 nothing about either:

    >>> import warnings
    >>> import halfstep
    >>> from scipy import sparse
    >>> model = halfstep.AlternatingLeastSquares(2, transform="bm25", solver="naive")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = model.fit(sparse.csr_matrix([[1, 4, 2], [3, 1, 1]]), show_progress=False)
    >>> issubclass(caught[0].category, halfstep.NumericalWarning)
    True
    """


class FactorsDropped(UserWarning):
    """A fit starts anew in a model whose factors were set by hand; the message says what keeps them.

    See Also
    --------
    halfstep.Solver : Its arguments `warm_start` and `init_factors` keep them.

    Examples
    --------
    >>> import warnings
    >>> import halfstep
    >>> import numpy as np
    >>> from scipy import sparse
    >>> model = halfstep.AlternatingLeastSquares(factors=1, solver="cholesky")
    >>> model.user_factors, model.item_factors = np.ones((2, 1)), np.ones((3, 1))
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = model.fit(sparse.csr_matrix([[5, 0, 3], [0, 2, 1]]), show_progress=False)
    >>> caught[0].category.__name__
    'FactorsDropped'
    """


class UnknownId(InputError, IndexError):
    """A user or item index outside the model.

    See Also
    --------
    halfstep.Solver.recommend : With `recalculate_user` it answers for users who are not in the model.

    Examples
    --------
    >>> import halfstep
    >>> import numpy as np
    >>> model = halfstep.AlternatingLeastSquares(factors=1)
    >>> model.item_factors = np.ones((3, 1), np.float32)
    >>> model.similar_items(3)
    Traceback (most recent call last):
        ...
    halfstep.errors.UnknownId: itemid must be from 0 to 2, got 3
    """


class NotFitted(InputError):
    """The model has no factors yet.

    See Also
    --------
    halfstep.Solver.fit : Computes them.

    Examples
    --------
    >>> import halfstep
    >>> halfstep.AlternatingLeastSquares().similar_items(0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    halfstep.errors.NotFitted: AlternatingLeastSquares must be fitted first: ...
    """
