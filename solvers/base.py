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

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.solvers.features.in_fit import (
    NOTHING,
    Given,
    check_ridge,
)
from halfstep.solvers.fit import weighing
from halfstep.solvers.fit.memory import Size, compiled_scratch
from halfstep.solvers.fit.monitor import Callback, Monitor, located, row_not_finite
from halfstep.solvers.fit.run import run
from halfstep.solvers.fit.start import RandomState, check_random_state
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport
from halfstep.solvers.fit.weighed import Weighed
from halfstep.solvers.inputs import check_dtype, check_integers
from halfstep.solvers.model import FittedModel
from halfstep.solvers.model.factors import assign_both
from halfstep.solvers.model.origin import note_origin
from halfstep.solvers.problem import Problem, Weights
from halfstep.solvers.stages import Stages
from halfstep.types import Floats

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(eq=False, repr=False)
class Solver(Stages, Weighed, FittedModel, ABC):
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
    transform, bm25_k1, bm25_b
        None; or `"bm25"`, with its K1 and B, or `"tfidf"`: what the stored values go through before the
        convention; see `halfstep.solvers.fit.transform`.
    init_factors
        Starting factors (user_factors, item_factors) of shapes (users, f) and (items, f) in `dtype`;
        copied. None draws them. Arrays of NumPy, or of any library with DLPack or
        `__cuda_array_interface__` (CuPy, PyTorch); arrays on a CUDA device need CuPy.
    warm_start
        Whether a fit goes on from the factors that the model has, if any, for `iterations` more. Its
        matrix may have more users and items than the model: `fit.warm_start` says where they start.
    feature_regularization
        mu, the ridge of W and V in a fit with attributes (`halfstep.solvers.features`): a positive
        number; a mapping of the attributes' fields to numbers, with that of all others under "";
        or a pair of such for users and items. None means the mean lambda of the side's rows.

    Attributes
    ----------
    user_factors, item_factors
        (users, f) and (items, f), C-contiguous, in `dtype`; None before `fit`.
    loss_history_, seconds_, relaxation_
        The objective after each iteration, if calculated; the seconds that its two half-steps took; its
        over-relaxation factor, 1.0 without (`fit.over_relaxation`).
    report_
        How far each iteration of the last `fit` solved its rows: `IterationReport`s of `fit.stopping`.
        Empty for `eigenbasis` with a fixed number of steps or `exact`, and for rungs without steps.
    user_feature_factors, item_feature_factors
        W (p, f) and V (q, f) of a fit with attributes: W'f_u is where user u would be without entries.
        None without attributes of that side.
    interrupted_
        How many whole iterations a fit had done when Ctrl-C ended it, or None.
    """

    name: ClassVar[str]
    kind: ClassVar[str] = "rung"
    device: ClassVar[str] = "cpu"
    native: ClassVar[bool] = True  # compiled
    exact_only: ClassVar[bool] = False  # always solves every row exactly
    not_by_default: ClassVar[str | None] = None  # why "auto" passes it over

    factors: int = defaults.FACTORS
    regularization: float = defaults.REGULARIZATION
    alpha: float = defaults.ALPHA
    dtype: npt.DTypeLike = np.float32
    _: KW_ONLY
    iterations: int = defaults.ITERATIONS
    calculate_training_loss: bool = False
    num_threads: int = defaults.THREADS
    random_state: RandomState = None
    confidence: str = defaults.CONFIDENCE
    epsilon: float = defaults.EPSILON
    background: float | None = None
    regularization_exponent: float = defaults.EXPONENT
    transform: str | None = None
    bm25_k1: float = defaults.BM25_K1
    bm25_b: float = defaults.BM25_B
    init_factors: tuple[Floats, Floats] | None = None
    warm_start: bool = False
    feature_regularization: Any = None

    def __post_init__(self) -> None:
        self.user_factors = self.item_factors = None
        self.loss_history_, self.seconds_, self.relaxation_, self._gains = [], [], [], []
        self.interrupted_: int | None = None
        self.fit_callback: Callback | None = None
        self.report_: list[IterationReport] = []
        self._half_reports: dict[str, HalfStepReport | None] = {}
        self._warned_of_ridge, self._fitted_to, self._objective_of = False, None, None
        self._given: Given = NOTHING  # during a fit, what it was given
        self._priors: dict[str, Any] = {}
        note_origin(self)
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
        on_interrupt: str = "raise",
        user_features: Any = None,
        item_features: Any = None,
    ) -> Self:
        """Factorise `user_items`.

        1. `check` and `taken` check the arguments and the matrix; `checkpoints` reads the state to
           resume from; `check_memory` refuses a fit that needs more memory than is free.
        2. `weights` turns stored values into weights, for the users and, transposed, for the items;
           `starting_factors` draws the factors, or copies `init_factors`; with `warm_start`,
           `warm_factors` takes the model's.
        3. `_alternate` iterates: `half_step` solves for the users with the item factors fixed, then for
           the items with the user factors fixed. `Monitor` checks each result; after each iteration
           it keeps the factors, calculates the loss, writes the checkpoint and calls the callback.
        4. `warn_of_unsolved_rows` warns if the last half-steps left rows unsolved,
           `warn_of_lost_precision` if the weights are too large for `dtype`.

        A model that was fitted before keeps its factors until the first iteration is done, and gets them
        back, with `loss_history_` and the like, if the fit fails. It warns (FactorsDropped) before it
        drops factors that were set by hand.

        Ctrl-C ends the fit after the current half-step (references: iteration) with both factors whole;
        `interrupted_` and the log say when. Then `fit` raises KeyboardInterrupt, so that no loop takes
        the fit for done. A second Ctrl-C raises it at once.

        Parameters
        ----------
        user_items
            Sparse (users, items); `confidence` says what its values mean. Duplicates are summed. It is
            not written to; do not write to it during the fit, which shares its arrays if it can.
        show_progress
            Draw a bar on a terminal or in a notebook; elsewhere write a line to stderr now and then.
        callback
            Called as `callback(iteration, seconds, loss)` after each iteration, whose result the
            factors are. Returning True ends the fit. None means `fit_callback`, if it is set.
        checkpoint, checkpoint_every
            A file for the fit's state, replaced after every `checkpoint_every` iterations, the last one
            and on Ctrl-C; whole whatever kills the process. If it cannot be written (a full disk),
            the previous one stays, the log says so, and the fit goes on.
        resume
            True resumes from `checkpoint` if that file exists, and ends with the same bits as a fit
            that was never stopped (CPU rungs). A path resumes from that file. Data and settings must be
            the checkpoint's, except `iterations`, `num_threads` and `calculate_training_loss`.
        on_interrupt
            `"keep"` returns the model after Ctrl-C instead of raising; `interrupted_` tells.
        user_features, item_features
            Attributes (users, p) and (items, q), sparse or dense, or encoded ones of
            `halfstep.datasets.features`: see `halfstep.solvers.features`. Rows without entries get the
            factors that their attributes ask for.

        Raises
        ------
        InputError
            Bad argument, matrix or checkpoint, or too little memory (NotEnoughMemory).
        NotFinite
            A FloatingPointError: a row's factors are not finite. The model has the factors of before the
            fit, or if it had none, those of the last whole iteration.
        KeyboardInterrupt
            Ctrl-C was pressed.
        """
        self.check()
        run(
            self,
            user_items,
            (checkpoint, checkpoint_every, resume),
            on_interrupt,
            features=(user_features, item_features),
            show_progress=show_progress,
            callback=callback or self.fit_callback,
        )
        return self

    def scratch_bytes(self, size: Size) -> int:
        """Return how many bytes a half-step allocates besides its result."""
        return compiled_scratch(size)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule."""
        values = self._settings()
        check_integers(values, factors=1, iterations=0, num_threads=0)
        weighing.check_weighing(values)
        check_dtype(self.dtype)
        if not isinstance(self.init_factors, tuple | list | None):
            raise InputError(
                f"init_factors must be (user_factors, item_factors), got {self.init_factors!r}"
            )
        check_random_state(self.random_state)
        check_ridge(self.feature_regularization)
        if not isinstance(self.warm_start, bool | np.bool_):
            raise InputError(f"warm_start must be True or False, got {self.warm_start!r}")

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        """Run iterations until `monitor(iteration, seconds, X, Y)` is True."""
        for iteration in range(self.iterations):
            start = time.perf_counter()
            omega = self._omega(monitor.done)
            X = self._half_step("user", users.fixing(Y, omega=omega, reports=[]), X, monitor.done)
            if monitor.half_step_done(X, Y):
                break
            users.follow(X)
            Y = self._half_step("item", items.fixing(X, omega=omega, reports=[]), Y, monitor.done)
            items.follow(Y)
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

    def _row_not_finite(self, factors: Any) -> int | None:
        """Return the first row of a side's factors that is not finite, or None."""
        return row_not_finite(factors)

    def _keep(self, iteration: int, X: Any, Y: Any) -> None:
        """Store X and Y, both finite, as the model's factors."""
        self._forget_derived()
        assign_both(self, X, Y)
        self._transform, self._plain = self._transform_of_fit, self._transform_of_fit is None

    def _put_back(self, before: dict[str, Any], error: BaseException) -> None:
        """Set the attributes that the model had before a fit; called when the fit has failed."""
        self.__dict__.update(before)
