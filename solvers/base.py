"""The interface of all solvers, and all of ALS except the half-step.

A solver is a class with a `half_step`. `Solver` does everything else, in the order that `Solver.fit`
lists, so two solvers differ only in how they solve a row. Its parts are in `fit/` and `model/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.solvers.features.in_fit import NOTHING, Given
from halfstep.solvers.fit.alternation import Alternation
from halfstep.solvers.fit.arguments import check_arguments
from halfstep.solvers.fit.memory import Size, compiled_scratch
from halfstep.solvers.fit.monitor import Callback
from halfstep.solvers.fit.run import run
from halfstep.solvers.fit.start import RandomState
from halfstep.solvers.fit.stopping import HalfStepReport, IterationReport
from halfstep.solvers.fit.weighed import Weighed
from halfstep.solvers.model import FittedModel
from halfstep.solvers.model.origin import note_origin
from halfstep.solvers.problem import Problem
from halfstep.solvers.stages import Stages
from halfstep.types import Floats

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(eq=False, repr=False)
class Solver(Alternation, Stages, Weighed, FittedModel, ABC):
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
        How far each iteration of the last `fit` solved its rows: an `IterationReport` of `fit.stopping`.
        Empty for `eigenbasis` with a fixed number of steps or `exact`, and for rungs without steps.
    user_feature_factors, item_feature_factors
        W (p, f) and V (q, f) of a fit with attributes: W'f_u is where user u would be without entries.
        None without attributes of that side.
    interrupted_
        How many whole iterations a fit had done when Ctrl-C ended it, or None.
    fit_callback
        The callback of fits that are given none.
    feature_encoders_
        What encodes attributes of other rows as those of the fit were, by side: "user", "item".
    name, kind, device
        Of the class: its key in `halfstep.SOLVERS`; "rung", "baseline" or "reference"; "cpu" or "gpu".
    native, exact_only, not_by_default
        Of the class: whether it is compiled; whether it always solves every row exactly; why "auto"
        passes it over, or None.
    not_shared, splits_hubs
        Of the class: why several machines cannot share its half-step, or None; whether the entries of a
        row may be on several of them.

    See Also
    --------
    halfstep.AlternatingLeastSquares : The model with the fastest solver that runs here.
    halfstep.SOLVERS : The solvers by name.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 1, 0, 2], [0, 2, 0, 0, 4, 0], [1, 0, 0, 3, 0, 0]])
    >>> model = halfstep.SOLVERS["cholesky"](2, random_state=0, calculate_training_loss=True)
    >>> model = model.fit(plays, show_progress=False)
    >>> isinstance(model, halfstep.Solver), len(model.loss_history_)
    (True, 15)
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

        Raises
        ------
        NotFinite
            A row's solution is not finite.

        See Also
        --------
        halfstep.Solver.weights : The sides that half-steps solve.
        """

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why this solver cannot run here and what to install, or None if it can.

        See Also
        --------
        halfstep.solvers.choose : Which solver does.
        """
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

        See Also
        --------
        halfstep.Solver.recommend : The best items for users of a fitted model.
        halfstep.Solver.partial_fit_users : New users, or new entries of users, without a fit.
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
        """Return how many bytes a half-step allocates besides its result.

        See Also
        --------
        halfstep.errors.NotEnoughMemory : What a fit raises that counts more than is free.
        """
        return compiled_scratch(size)

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule.

        See Also
        --------
        halfstep.Solver.set_params : Sets arguments, and checks them.
        """
        check_arguments(self._settings())
