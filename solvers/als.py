"""`AlternatingLeastSquares`: a model with the best solver for this machine.

The constructor picks a rung of `halfstep.SOLVERS` (`halfstep.solvers.registry` says how), and the object
becomes one of both classes: of the caller's first, of the rung second. So what a subclass overrides is
called, `super().fit` is the rung's, and `isinstance(model, AlternatingLeastSquares)` is true of what
this constructor made, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.start import RandomState
from halfstep.solvers.problem import Problem
from halfstep.solvers.registry import USES, check_known, choose, settings_for
from halfstep.solvers.versions import (
    arguments_of,
    empty,
    own_arguments,
    set_values,
    values_of,
    version_of,
)
from halfstep.types import Floats

if TYPE_CHECKING:
    from typing_extensions import Self

# Arguments that choose the rung; the others are the rung's.
_CHOOSING = ("solver", "fallback", *USES)


class AlternatingLeastSquares(Solver):
    """An ALS model with the best solver for this machine, or with a named one.

    The arguments of `implicit`'s class of this name have the same order and meaning here: the same
    objective, and for the same seed the same starting factors. Its attributes are those of
    `halfstep.Solver`; `solver_` is the name of the solver.

    Parameters
    ----------
    factors, regularization, alpha, dtype, iterations, calculate_training_loss, num_threads, random_state
        See `halfstep.Solver`.
    use_native, use_cg, use_gpu
        How to solve, as in `implicit`: see `halfstep.solvers.registry`. None means the fastest solver
        here.
    confidence, epsilon, background, regularization_exponent, transform, bm25_k1, bm25_b
        See `halfstep.Solver`.
    init_factors, warm_start, feature_regularization
        See `halfstep.Solver`.
    solver
        `"auto"` for the best rung on any device, `"cpu"` or `"gpu"` for the best on that device, or a
        name in `halfstep.SOLVERS`.
    fallback
        With `solver="gpu"` or `use_gpu=True`, `"cpu"` allows the best CPU rung if no GPU can be used.
    cg_steps, cg_tolerance, cg_max_steps, exact, compress, relaxation
        See `halfstep.solvers.eigenbasis.Eigenbasis`. None stands for the solver's own default, here and
        below.
    block_size
        See `halfstep.solvers.subspace.Subspace`.
    deterministic, devices, memory_limit, storage
        Of solvers on a GPU: see `halfstep.solvers.gpu.base.GpuSolver`, and for `storage`
        `halfstep.solvers.gpu.cg_7_half.GpuCgHalf`.
    method
        Of `irspack_cpu`: "cg" or "cholesky".

    Raises
    ------
    InputError
        An unknown solver, an argument that the chosen solver does not have, or arguments that
        contradict each other.
    SolverUnavailable
        The named solver cannot run here.

    See Also
    --------
    halfstep.Solver : The interface of all solvers.
    halfstep.solvers.choose : Which solver the arguments choose.
    halfstep.Recommender : A model with the ids, names and histories of your data.
    halfstep.evaluate : How good a model is on entries that it has not seen.

    Notes
    -----
    Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008).

    Examples
    --------
    >>> import halfstep
    >>> data = halfstep.load_data("music-small")
    >>> model = halfstep.AlternatingLeastSquares(factors=8, iterations=3, random_state=0)
    >>> model = model.fit(data.interactions, show_progress=False)
    >>> model.user_factors.shape, model.item_factors.shape
    ((2000, 8), (4000, 8))
    >>> ids, scores = model.recommend(7, data.interactions[7], N=3)
    >>> ids.shape, scores.dtype
    ((3,), dtype('float32'))
    """

    # Of the version of a caller's class for a rung (`halfstep.solvers.versions`): these two classes.
    _callers: ClassVar[type[AlternatingLeastSquares] | None] = None
    _chosen: ClassVar[type[Any]]

    def __init__(
        self,
        factors: int = defaults.FACTORS,
        regularization: float = defaults.REGULARIZATION,
        alpha: float = defaults.ALPHA,
        dtype: npt.DTypeLike = np.float32,
        use_native: bool | None = None,
        use_cg: bool | None = None,
        use_gpu: bool | None = None,
        iterations: int = defaults.ITERATIONS,
        calculate_training_loss: bool = False,
        num_threads: int = defaults.THREADS,
        random_state: RandomState = None,
        *,
        confidence: str = defaults.CONFIDENCE,
        epsilon: float = defaults.EPSILON,
        background: float | None = None,
        regularization_exponent: float = defaults.EXPONENT,
        init_factors: tuple[Floats, Floats] | None = None,
        transform: str | None = None,
        bm25_k1: float = defaults.BM25_K1,
        bm25_b: float = defaults.BM25_B,
        warm_start: bool = False,
        feature_regularization: Any = None,
        solver: str = "auto",
        fallback: str | None = None,
        cg_steps: int | None = None,
        cg_tolerance: float | None = None,
        cg_max_steps: int | None = None,
        exact: bool | None = None,
        compress: bool | None = None,
        relaxation: float | Sequence[float] | None = None,
        block_size: int | None = None,
        deterministic: bool | None = None,
        devices: Sequence[int] | None = None,
        memory_limit: float | None = None,
        storage: str | None = None,
        method: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _DEFAULTS}
        choosing = {name: given.pop(name) for name in _CHOOSING}
        uses = {name: choosing[name] for name in USES}
        rung: Any = choose(solver, fallback, uses)
        # None is a value of its own only where the solver has the argument.
        known = rung.parameters()
        given = {
            name: value
            for name, value in given.items()
            if value is not None or (name in known and known[name] is None)
        }
        settings = settings_for(rung, uses, given)
        check_known(f"solver {rung.name!r}", settings, known)
        caller: Any = self._caller()
        self.__class__ = version_of(caller, rung)
        self._choosing = choosing
        self._implied = {name: v for name, v in settings.items() if name not in given}
        rung.__init__(self, **settings)

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return new factors (rows, f), as the chosen solver does: see `halfstep.Solver.half_step`."""
        return super().half_step(problem, X)  # type: ignore[safe-super]

    @classmethod
    def load(cls, fileobj_or_path: str | PathLike[str] | IO[bytes]) -> Self:
        """Read a model that any solver saved, on any device, or that `implicit`'s ALS saved.

        It is of the class on which `load` is called, with the solver that saved the file. If that one
        cannot run here (the log says so), or if `implicit` saved the file, it has the best rung for
        the CPU.

        Raises
        ------
        InputError
            The file does not exist or is not a model, or a subclass's constructor does not take the
            arguments of this class.

        See Also
        --------
        halfstep.Solver.save : Writes the file.
        """
        return cls.of(Solver.load(fileobj_or_path))

    @classmethod
    def of(cls, model: Solver) -> Self:
        """Return a model of this class with the solver, settings and factors (shared) of `model`.

        Raises
        ------
        InputError
            A subclass's constructor does not take the arguments of this class.

        See Also
        --------
        halfstep.AlternatingLeastSquares.load : Reads a model of this class from a file.
        """
        caller: Any = cls._caller()
        try:
            made = caller(solver=model.solver_, **model._settings())
        except TypeError as error:
            raise InputError(
                f"{caller.__name__} must take the arguments of AlternatingLeastSquares to be made from "
                f"a saved or converted model: {error}"
            ) from error
        made.__dict__.update(vars(model))
        return made  # type: ignore[no-any-return]

    def to_cpu(self) -> Self:
        """Return a copy of this model on the CPU, with the CPU's best rung if it is a GPU model.

        See Also
        --------
        halfstep.AlternatingLeastSquares.to_gpu : The other way.
        """
        return self._version_of(super().to_cpu())

    def to_gpu(self) -> Self:
        """Return a copy of this model on the GPU, with the GPU's best rung if it is a CPU model.

        Raises
        ------
        SolverUnavailable
            No GPU can be used here. The message says what is missing.

        See Also
        --------
        halfstep.AlternatingLeastSquares.to_cpu : The other way.
        """
        return self._version_of(super().to_gpu())

    def _version_of(self, converted: Solver) -> Self:
        """Return this model with the solver, settings and factors of `converted`."""
        made: Any = empty(self._caller(), converted._rung())
        settings = self._settings()
        own = {name: value for name, value in vars(self).items() if name not in settings}
        made.__dict__.update(own | vars(converted))
        made._choosing = dict.fromkeys(_CHOOSING) | {"solver": converted.solver_}
        made._implied = {}
        return made  # type: ignore[no-any-return]

    @classmethod
    def parameters(cls) -> dict[str, Any]:
        """Return the constructor's arguments, a subclass's own included, with their defaults."""
        return arguments_of(cls._caller(), AlternatingLeastSquares)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments by name; `deep`, which scikit-learn passes, has no effect.

        An argument that was left to the solver is None, and one that a subclass's constructor takes but
        does not keep as an attribute of that name is left out.

        See Also
        --------
        halfstep.AlternatingLeastSquares.set_params : Sets them.
        """
        return values_of(self, _DEFAULTS)

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments by name and return the model. The next fit uses them.

        They may choose another solver; the model's factors stay.

        Raises
        ------
        InputError
            An unknown name or a bad value. Then none of them is set.

        See Also
        --------
        halfstep.AlternatingLeastSquares.get_params : Returns them.
        """
        set_values(self, params)
        return self

    @classmethod
    def _caller(cls) -> type[Self]:
        return cls._callers or cls  # type: ignore[return-value]

    @classmethod
    def _rung(cls) -> type[Any]:
        return cls._chosen

    def __reduce__(self) -> tuple[Any, ...]:
        return empty, (self._caller(), self._rung()), self.__getstate__()


_DEFAULTS = own_arguments(AlternatingLeastSquares)[0]
