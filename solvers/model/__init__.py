"""What a fitted model can do: the class `FittedModel`, and one file for each group of its methods.

* `recommend` returns the best items for a user, `similar` similar items or users; `queries` applies
  filters and masks short lists, `top_k` selects the best candidates;
* `fold_in` solves rows from new entries after the fit, `partial_fit` stores them; `explain` says why an
  item is recommended;
* `persistence` saves and loads models; `conversion` moves them to another device or to `implicit`;
  `nearest_neighbour_index` exports factors for an external index;
* `parameters` handles the constructor's arguments by name; `factors` reads, sets and checks the two
  factor matrices, `held` keeps each with its Gramian and its norms, and `origin` knows whether a caller
  has set them.

All of these files need only the two factor matrices and the convention, whichever solver computed them.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt
from scipy import sparse

from halfstep.solvers.model import conversion, explain_features, held, origin, persistence, similar
from halfstep.solvers.model import explain as explaining
from halfstep.solvers.model import factors as matrices
from halfstep.solvers.model import fold_in as folding_in
from halfstep.solvers.model import nearest_neighbour_index as index
from halfstep.solvers.model import parameters as arguments
from halfstep.solvers.model import partial_fit as storing
from halfstep.solvers.model import recommend as recommending
from halfstep.solvers.model import top_k as selection

if TYPE_CHECKING:
    from typing_extensions import Self

    from halfstep.solvers.fit.start import RandomState
    from halfstep.solvers.fit.transform import Transform
    from halfstep.solvers.problem import Weights
    from halfstep.types import Floats, Integers


class FittedModel:
    """User factors (users, f), item factors (items, f), and the methods that use them.

    The methods are functions of this package. The attributes that they read from a solver are declared
    here and documented in `halfstep.solvers.Solver`.

    Factors may be assigned, both sides or one: `halfstep.solvers.model.held` says which arrays answer,
    and which are refused at the first use. A query needs the side that it reads, and raises NotFitted
    if that is None. An assignment takes effect at once, `item_factors *= 2` too, which assigns; numbers
    written into an array are seen by all answers only after it is assigned again, as in
    `item_factors = item_factors`.
    """

    # The solver's class.
    name: ClassVar[str]
    device: ClassVar[str]
    native: ClassVar[bool]
    exact_only: ClassVar[bool]
    # Those of the constructor's arguments that the methods read.
    factors: int
    dtype: npt.DTypeLike
    confidence: str
    transform: str | None
    regularization_exponent: float
    num_threads: int
    random_state: RandomState
    init_factors: tuple[Floats, Floats] | None
    # What a fit sets, besides the factors.
    loss_history_: list[float]
    seconds_: list[float]
    relaxation_: list[float]
    _gains: list[float | None]
    # Weak references to what a fit or a file made: see `origin`. None where not known.
    _made: tuple[Any, ...] | None = None
    # How a side's factors are kept; GPU models override it.
    _holder: ClassVar[type[held.Held]] = held.Held
    # What the transform took from the data: of the fit that made these factors, and of the last fit.
    _transform: Transform | None = None
    _plain: bool = False  # a fit without a transform made the factors
    _transform_of_fit: Transform | None = None
    # What a fit with attributes leaves: W, V, and what encodes other rows, by side.
    user_feature_factors: Floats | None = None
    item_feature_factors: Floats | None = None
    feature_encoders_: Mapping[str, Any] = MappingProxyType({})
    _given: Mapping[str, Any] = MappingProxyType({})  # attributes, during a fit with such
    _priors: Any = MappingProxyType({})

    recommend = recommending.recommend
    recommend_all = recommending.recommend_all
    rank_items = recommending.rank_items
    similar_items = similar.similar_items
    similar_users = similar.similar_users
    recalculate_user = folding_in.recalculate_user
    recalculate_item = folding_in.recalculate_item
    partial_fit_users = storing.partial_fit_users
    partial_fit_items = storing.partial_fit_items
    explain = explaining.explain
    explain_features = explain_features.explain_features
    export_index = index.export_index
    save = persistence.save
    to_cpu = conversion.to_cpu
    to_gpu = conversion.to_gpu
    to_implicit = conversion.to_implicit
    parameters = classmethod(arguments.parameters)
    get_params = arguments.get_params
    set_params = arguments.set_params
    __repr__ = arguments.shown
    __sklearn_tags__ = arguments.scikit_learn_tags
    __sklearn_is_fitted__ = matrices.is_fitted
    YtY = property(matrices.item_gramian)
    XtX = property(matrices.user_gramian)
    user_norms = property(matrices.user_norms)
    item_norms = property(matrices.item_norms)
    _settings = arguments.settings_of
    _fitted = matrices.factors_of
    _forget_derived = matrices.forget_derived
    __copy__ = matrices.copy_of

    @classmethod
    def load(cls, fileobj_or_path: str | PathLike[str] | IO[bytes]) -> Self:
        """Read a model that any solver saved, on any device, or that `implicit`'s ALS saved.

        Called on a solver's class, this returns a model of that class. Called on `Solver` or
        `AlternatingLeastSquares`, it returns a model of the class that saved the file. If that class
        cannot run here (the log says so), or if `implicit` saved the file, it returns a model of the
        best rung for the CPU.

        Raises
        ------
        InputError
            The file does not exist or is not a model.

        See Also
        --------
        halfstep.Solver.save : Writes the file.
        """
        return persistence.load_model(cls, fileobj_or_path)

    @classmethod
    def _rung(cls) -> type[Any]:
        """Return the solver's class, of which a fresh model with the same `_settings` can be made."""
        return cls

    @property
    def user_factors(self) -> Floats | None:
        """The factors of the users, (users, f) float32 or float64; None before a fit.

        An array that is assigned answers at once. It is checked at its first use: see
        `halfstep.solvers.model.held`. Of a GPU model this is a copy on the host.
        """
        return matrices.read(self, "user_factors")  # type: ignore[no-any-return]

    @user_factors.setter
    def user_factors(self, factors: Any) -> None:
        matrices.assign(self, "user_factors", factors)

    @property
    def item_factors(self) -> Floats | None:
        """The factors of the items, (items, f) float32 or float64; None before a fit.

        An array that is assigned answers at once. It is checked at its first use: see
        `halfstep.solvers.model.held`. Of a GPU model this is a copy on the host.
        """
        return matrices.read(self, "item_factors")  # type: ignore[no-any-return]

    @item_factors.setter
    def item_factors(self, factors: Any) -> None:
        matrices.assign(self, "item_factors", factors)

    @property
    def solver_(self) -> str:
        """Name of the solver, as in `halfstep.SOLVERS`.

        See Also
        --------
        halfstep.solvers.choose : Which one the constructor's arguments choose.
        """
        name: str = self._rung().name
        return name

    def _select(self, *args: Any, **settings: Any) -> tuple[Integers, Floats]:
        """Return the best candidates for each query, as `top_k` does; GPU models override this.

        Called by `recommend`, `similar_items` and `similar_users` through `queries.answer`.
        """
        return selection.top_k(*args, **settings)

    def _weigh(
        self, matrix: sparse.csr_matrix, side: str = "user", dtype: npt.DTypeLike | None = None
    ) -> Weights:
        """Return the weights of a canonical matrix's entries by the model's transform and convention.

        Called by `fold_in` and `explain` on the rows, of users or of items, that a caller gives them.
        """
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": origin.without_references(self)}
