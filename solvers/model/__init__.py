"""What a fitted model can do: one class, `FittedModel`, and the file of each of its methods.

* `recommend`: the best items for a user, and what is similar; `queries` has filters and masked tails,
  `top_k` the selection;
* `fold_in`: rows solved from new entries after the fit; `explain`: why an item is recommended;
* `persistence`: save and load; `conversion`: other devices, `implicit`; `nearest_neighbour_index`:
  factors for an external index;
* `parameters`: the constructor's arguments by name; `factors`: the two matrices, Gramians and norms.

Each of them works on the two factor matrices and the convention alone, whichever solver made them.
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
    from halfstep.solvers.problem import Weights
    from halfstep.types import Floats, Integers


class FittedModel:
    """User factors (users, f), item factors (items, f), and what can be asked of them.

    The methods are functions of this package; what they need of a solver is declared here, and
    `halfstep.solvers.Solver` documents it.
    """

    # The solver.
    name: ClassVar[str]
    device: ClassVar[str]
    native: ClassVar[bool]
    exact_only: ClassVar[bool]
    # The constructor's arguments that models are made of.
    factors: int
    dtype: npt.DTypeLike
    confidence: str
    regularization_exponent: float
    num_threads: int
    random_state: RandomState
    init_factors: tuple[Floats, Floats] | None
    # The model.
    user_factors: Floats | None
    item_factors: Floats | None
    loss_history_: list[float]
    seconds_: list[float]
    # Gramians and norms by name, each with the array that it was derived from.
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

        Called on a solver's class, the model is of that solver. Called on `Solver` or
        `AlternatingLeastSquares`, it is of the solver that saved it, or of the CPU's best rung where
        that solver cannot run here (the log says so) or was `implicit`'s.

        Raises
        ------
        InputError
            No such file, or not a model.
        """
        return persistence.load_model(cls, fileobj_or_path)

    @property
    def solver_(self) -> str:
        """Name of the solver, as in `halfstep.SOLVERS`."""
        return self.name

    def _select(self, *args: Any, **settings: Any) -> tuple[Integers, Floats]:
        """Return the best candidates of queries, as `top_k` does; a GPU model does it on its device."""
        return selection.top_k(*args, **settings)

    def _weigh(self, matrix: sparse.csr_matrix) -> Weights:
        """Return the weights of a canonical matrix's rows by the model's convention."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": {}}
