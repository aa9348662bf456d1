"""The interface of all solvers, and all of ALS except the half-step.

A solver is a class with a `half_step`. `Solver` does everything else, in the order that `Solver.fit`
lists, so two solvers differ only in how they solve a row. Its parts are in `fit/` and `model/`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.blas import blas_threads
from halfstep.errors import InputError
from halfstep.interruption import interruption
from halfstep.progress import progress_bar, stage
from halfstep.solvers.fit.checkpoint import checkpoints
from halfstep.solvers.fit.memory import Size, check_memory, compiled_scratch
from halfstep.solvers.fit.monitor import Callback, Monitor, located, row_not_finite
from halfstep.solvers.fit.start import RandomState, check_random_state, starting_factors
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport, warn_of_unsolved_rows
from halfstep.solvers.fit.weights import transposed_weights, weigh
from halfstep.solvers.inputs import as_csr, check_dtype, check_integers, check_number, not_empty
from halfstep.solvers.model import FittedModel
from halfstep.solvers.objective import objective
from halfstep.solvers.problem import Problem, Weights, check_convention
from halfstep.types import Floats

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(eq=False, repr=False)
class Solver(FittedModel, ABC):
    """Implicit-feedback matrix factorisation by alternating least squares.

    Parameters
    ----------
    factors
        Columns f of both factor matrices, at least 1.
    regularization
        lambda, at least 0. With 0, exact rungs return minimum-norm solutions or warn of an added ridge.
    alpha
        Slope of the confidence.
    dtype
        float32 or float64: dtype of the factors and of the arithmetic.
    iterations
        Pairs of half-steps (users, then items), at least 0.
    calculate_training_loss
        Append the float64 objective to `loss_history_` after every iteration.
    num_threads
        The largest number of cores to use; 0 means all. `naive` and `cholesky` use one.
    random_state
        None, an int, a `numpy.random.Generator` or a `RandomState`. A seed gives the same starting
        factors on every device, and those of `implicit`'s CPU model.
    confidence, epsilon, background, regularization_exponent
        The convention: see `halfstep.solvers.problem`.
    init_factors
        Starting factors (user_factors, item_factors) of shapes (users, f) and (items, f) in `dtype`;
        copied. None draws them. Arrays of NumPy, or of any library with DLPack or
        `__cuda_array_interface__` (CuPy, PyTorch); arrays on a CUDA device need CuPy.

    Attributes
    ----------
    user_factors, item_factors
        (users, f) and (items, f), C-contiguous, in `dtype`; None before `fit`.
    loss_history_, seconds_
        The objective after each iteration, if calculated; seconds that its two half-steps took.
    report_
        How far each iteration of the last `fit` solved its rows: `IterationReport`s of `fit.stopping`.
        Empty for `eigenbasis` with a fixed number of steps or `exact`, and for rungs without steps.
    interrupted_
        How many whole iterations a fit had done when Ctrl-C ended it, or None.
    """

    name: ClassVar[str]
    kind: ClassVar[str] = "rung"
    device: ClassVar[str] = "cpu"
    native: ClassVar[bool] = True  # compiled
    exact_only: ClassVar[bool] = False  # always solves every row exactly
    not_by_default: ClassVar[str | None] = None  # why "auto" passes it over

    factors: int = 100
    regularization: float = 0.01
    alpha: float = 1.0
    dtype: npt.DTypeLike = np.float32
    _: KW_ONLY
    iterations: int = 15
    calculate_training_loss: bool = False
    num_threads: int = 0
    random_state: RandomState = None
    confidence: str = "implicit"
    epsilon: float = 1.0
    background: float | None = None
    regularization_exponent: float = 0.0
    init_factors: tuple[Floats, Floats] | None = None

    def __post_init__(self) -> None:
        self.user_factors: Floats | None = None
        self.item_factors: Floats | None = None
        self.loss_history_: list[float] = []
        self.seconds_: list[float] = []
        self.interrupted_: int | None = None
        self.fit_callback: Callback | None = None
        self.report_: list[IterationReport] = []
        self._half_reports: dict[str, HalfStepReport | None] = {}
        self._warned_of_ridge = False
        self._forget_derived()
        self.check()

    @abstractmethod
    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return new factors (rows, f) that solve, or come nearer to solving, every row of `problem`.

        Parameters
        ----------
        problem
            The side to solve, with the other side's factors fixed. A solver that measures how far it
            solved the rows appends a `HalfStepReport` to `problem.reports`, unless that is None.
        X
            (rows, f), the factors before the half-step: the warm start. Not written to.
        """

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why this solver cannot run here and what to install, or None if it can."""
        return None

    def fit(
        self,
        user_items: Any,
        show_progress: bool = True,
        callback: Callback | None = None,
        *,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int = 1,
        resume: bool | str | PathLike[str] = False,
    ) -> Self:
        """Factorise `user_items`.

        1. `check` and `as_csr` check the arguments and the matrix; `checkpoints` reads the state to
           resume from; `check_memory` refuses a fit that needs more memory than is free.
        2. `weights` turns stored values into weights, for the users and, transposed, for the items;
           `starting_factors` draws the factors, or copies `init_factors`.
        3. `_alternate` iterates: `half_step` solves for the users with the item factors fixed, then for
           the items with the user factors fixed. `Monitor` checks each result; after each iteration
           it keeps the factors, calculates the loss, writes the checkpoint and calls the callback.
        4. `warn_of_unsolved_rows` warns if the last half-steps left rows unsolved.

        Ctrl-C ends the fit after the current half-step (references: iteration) with both factors whole;
        `interrupted_` and the log say when. A second Ctrl-C raises KeyboardInterrupt at once.

        Parameters
        ----------
        user_items
            Sparse (users, items); `confidence` says what its values mean. Duplicates are summed. It is
            not written to; do not write to it during the fit, which shares its arrays if it can.
        show_progress
            Draw a bar on a terminal or in a notebook; elsewhere write a line to stderr now and then.
        callback
            Called as `callback(iteration, seconds, loss)` after each iteration, when
            `user_factors` and `item_factors` hold its result. Returning True ends the fit. None means
            the attribute `fit_callback`, if it is set.
        checkpoint, checkpoint_every
            A file for the fit's state, replaced after every `checkpoint_every` iterations, the last one
            and on Ctrl-C; whole whatever kills the process. If it cannot be written (a full disk),
            the previous one stays, the log says so, and the fit goes on.
        resume
            True resumes from `checkpoint` if that file exists, and ends with the same bits as a fit
            that was never stopped (CPU rungs). A path resumes from that file. Data and settings must be
            the checkpoint's, except `iterations`, `num_threads` and `calculate_training_loss`.

        Raises
        ------
        InputError
            Bad argument, matrix or checkpoint, or too little memory (NotEnoughMemory). Nothing changed.
        NotFinite
            A FloatingPointError: a row's factors are not finite. The model keeps the previous ones.
        """
        self.check()
        matrix = not_empty(as_csr(user_items))
        keeper, state = checkpoints(self, matrix, checkpoint, checkpoint_every, resume)
        check_memory(self, matrix)
        with stage("weighing the entries", show_progress):
            users, items = weights = self._sides(matrix)
        self._forget_derived()
        # No local name for the starting factors: it would keep them in memory for the whole fit.
        if state is None:
            self.user_factors, self.item_factors = starting_factors(
                self.init_factors, matrix.shape, self.factors, self.dtype, self.random_state
            )
            done, self.loss_history_, self.seconds_ = 0, [], []
        else:
            done, self.user_factors, self.item_factors, self.loss_history_, self.seconds_ = state
            state = None
        self.interrupted_ = None
        self.report_, self._half_reports = [], {}
        self._warned_of_ridge = False
        if done >= self.iterations:
            return self
        with (
            progress_bar(self.iterations - done, show_progress, f"fit, {self.name}") as advance,
            blas_threads(int(self.num_threads) or None),
            # OpenBLAS's AVX-512 kernels set error flags on good input too: the monitor finds bad rows.
            np.errstate(all="ignore"),
            interruption() as ctrl_c,
        ):
            monitor = Monitor(
                self, weights, done, keeper, ctrl_c, advance, callback or self.fit_callback
            )
            self._alternate(users, items, self.user_factors, self.item_factors, monitor)
        warn_of_unsolved_rows(self.report_)
        return self

    def scratch_bytes(self, size: Size) -> int:
        """Return how many bytes a half-step allocates besides its result."""
        return compiled_scratch(size)

    def weights(self, matrix: sparse.csr_matrix) -> tuple[Weights, Weights]:
        """Return the users' and the items' weights for a canonical CSR matrix (users, items)."""
        users = self._weigh(matrix)
        regularization = self.regularization, self.regularization_exponent
        return users, transposed_weights(users, *regularization, int(self.num_threads))

    def _sides(self, matrix: sparse.csr_matrix) -> Any:
        """Return the two sides as `_alternate` takes them: `weights`, or a copy on a device."""
        return self.weights(matrix)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        values = self.get_params()
        check_integers(values, factors=1, iterations=0, num_threads=0)
        for name in ("regularization", "regularization_exponent", "alpha", "epsilon", "background"):
            value = values[name]
            if not (name == "background" and value is None):
                check_number(name, value)
        check_dtype(self.dtype)
        if not isinstance(self.init_factors, tuple | list | None):
            raise InputError(
                f"init_factors must be (user_factors, item_factors), got {self.init_factors!r}"
            )
        check_random_state(self.random_state)
        check_convention(values)

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run iterations until `monitor(iteration, seconds, X, Y)` is True."""
        for iteration in range(self.iterations):
            start = time.perf_counter()
            omega = self._omega(monitor.done)
            X = self._half_step("user", users.fixing(Y, omega=omega, reports=[]), X, monitor.done)
            if monitor.half_step_done(X, Y):
                break
            Y = self._half_step("item", items.fixing(X, omega=omega, reports=[]), Y, monitor.done)
            if monitor(iteration, time.perf_counter() - start, X, Y):
                break

    def _omega(self, done: int) -> float:
        """Return the over-relaxation factor of the iteration that follows `done` whole ones."""
        return 1.0

    def _half_step(self, side: str, problem: Problem, X: Any, done: int) -> Any:
        try:
            solution = self.half_step(problem, X)
        except (FloatingPointError, np.linalg.LinAlgError) as error:
            raise located(error, done, side, problem) from error
        self._half_reports[side] = problem.reports[-1] if problem.reports else None
        return solution

    def _weigh(self, matrix: sparse.csr_matrix) -> Weights:
        return weigh(
            matrix,
            confidence=self.confidence,
            alpha=self.alpha,
            epsilon=self.epsilon,
            background=self.background,
            regularization=self.regularization,
            regularization_exponent=self.regularization_exponent,
            dtype=self.dtype,
            num_threads=int(self.num_threads),
        )

    def _loss(self, sides: Any) -> float:
        """Return the float64 objective of the model's factors; `sides` is the result of `_sides`."""
        users, items = sides
        return objective(users, items, *self._fitted())

    def _row_not_finite(self, factors: Any) -> int | None:
        """Return the first row of a side's factors that is not finite, or None."""
        return row_not_finite(factors)

    def _keep(self, iteration: int, X: Any, Y: Any) -> None:
        """Store X and Y, both finite, as the model's factors."""
        self._forget_derived()
        self.user_factors, self.item_factors = X, Y
