"""What a fitted model can do: the class `FittedModel`, and one file for each group of its methods.

* `recommend` returns the best items for a user, and similar items or users; `queries` applies filters
  and masks short lists, `top_k` selects the best candidates;
* `fold_in` solves rows from new entries after the fit; `explain` says why an item is recommended;
* `persistence` saves and loads models; `conversion` moves them to another device or to `implicit`;
  `nearest_neighbour_index` exports factors for an external index;
* `parameters` handles the constructor's arguments by name; `factors` holds the two factor matrices,
  their Gramians and their norms.

All of these files need only the two factor matrices and the convention, whichever solver computed them.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt
from scipy import sparse

from halfstep.solvers.model import conversion, persistence
from halfstep.solvers.model import explain as explaining
from halfstep.solvers.model import factors as matrices
from halfstep.solvers.model import fold_in as folding_in
from halfstep.solvers.model import nearest_neighbour_index as index
from halfstep.solvers.model import parameters as arguments
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
    # What a fit sets.
    user_factors: Floats | None
    item_factors: Floats | None
    loss_history_: list[float]
    seconds_: list[float]
    # What the transform took from the data: of the fit that made these factors, and of the last fit.
    _transform: Transform | None = None
    _transform_of_fit: Transform | None = None
    # Gramians and norms by name, each with the factor matrix that it was computed from.
    _derived: Mapping[str, tuple[Floats, Floats]] = MappingProxyType({})

    recommend = recommending.recommend
    recommend_all = recommending.recommend_all
    rank_items = recommending.rank_items
    similar_items = recommending.similar_items
    similar_users = recommending.similar_users
    recalculate_user = folding_in.recalculate_user
    recalculate_item = folding_in.recalculate_item
    partial_fit_users = folding_in.partial_fit_users
    partial_fit_items = folding_in.partial_fit_items
    explain = explaining.explain
    export_index = index.export_index
    save = persistence.save
    to_cpu = conversion.to_cpu
    to_gpu = conversion.to_gpu
    to_implicit = conversion.to_implicit
    parameters = classmethod(arguments.parameters)
    get_params = arguments.get_params
    set_params = arguments.set_params
    __repr__ = arguments.shown
    YtY = property(matrices.item_gramian)
    XtX = property(matrices.user_gramian)
    user_norms = property(matrices.user_norms)
    item_norms = property(matrices.item_norms)
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
        """
        return persistence.load_model(cls, fileobj_or_path)

    @property
    def solver_(self) -> str:
        """Name of the solver, as in `halfstep.SOLVERS`."""
        return self.name

    def _select(self, *args: Any, **settings: Any) -> tuple[Integers, Floats]:
        """Return the best candidates for each query, as `top_k` does; GPU models override this.

        Called by `recommend`, `similar_items` and `similar_users` through `queries.answer`.
        """
        return selection.top_k(*args, **settings)

    def _weigh(self, matrix: sparse.csr_matrix, side: str = "user") -> Weights:
        """Return the weights of a canonical matrix's entries by the model's transform and convention.

        Called by `fold_in` and `explain` on the rows, of users or of items, that a caller gives them.
        """
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": {}}
