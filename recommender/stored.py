"""A fitted model with the ids, names and histories of its data: how it is made, saved and loaded."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError, NotFitted
from halfstep.plural import counted
from halfstep.recommender import archive
from halfstep.recommender.catalogue import Catalogue
from halfstep.recommender.matching import match
from halfstep.solvers import Solver
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.model.factors import needed
from halfstep.solvers.registry import make
from halfstep.types import Floats
from halfstep.version import __version__

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger("halfstep")


class StoredModel:
    """A model with its data's users and items, in memory and in a file; `Recommender` answers."""

    def __init__(self, model: Solver, dataset: Dataset, *, history: bool = True) -> None:
        about = {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "provenance": dict(dataset.provenance),
            "versions": {
                "halfstep": __version__,
                "numpy": np.__version__,
                "format": archive.FORMAT,
            },
        }
        kept = dataset.interactions if history else None
        parts = archive.Parts(model, Catalogue.of(dataset), kept, about)
        archive.check(parts)
        self._take(parts)

    def _take(self, parts: archive.Parts) -> None:
        self.model, self.catalogue, self.history, about = parts
        self.name: str = about["name"]
        self.fingerprint: str = about["fingerprint"]
        self.provenance: dict[str, object] = about["provenance"]
        self.versions: dict[str, str] = about["versions"]
        # Which users the data of `with_history` has; None for the model's own data, which has them all.
        self.present: NDArray[np.bool_] | None = None

    @classmethod
    def fit(
        cls,
        dataset: Dataset,
        solver: str = "auto",
        *,
        history: bool = True,
        on_interrupt: str = "raise",
        show_progress: bool = True,
        user_features: Any = None,
        item_features: Any = None,
        **parameters: Any,
    ) -> Self:
        """Fit a model with `solver` and its `parameters`, and keep the data's ids, names and histories.

        Ctrl-C during the fit raises KeyboardInterrupt; `on_interrupt="keep"` returns the recommender
        with the model as it is then. `show_progress`, `user_features` and `item_features` are those of
        the solver's `fit`; features that `halfstep.datasets.features` has read go by their fields later.

        Raises
        ------
        InputError
            As the solver's constructor and `fit` do.
        """
        if not isinstance(dataset, Dataset):
            raise InputError(
                f"dataset must be a halfstep.datasets.Dataset, got {type(dataset).__name__}: "
                "halfstep.datasets.load reads one"
            )
        Catalogue.of(dataset)  # what is wrong with the ids is better said before the fit
        model = make(solver, **parameters)
        model.fit(
            as_csr(dataset.interactions), show_progress, on_interrupt=on_interrupt,
            user_features=user_features, item_features=item_features,
        )  # fmt: skip
        return cls(model, dataset, history=history)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a file that `save` wrote; nothing in it is run.

        Raises
        ------
        InputError
            There is no such file, it is no model, it is damaged, or it has a model without ids.
        """
        loaded = cls.__new__(cls)
        loaded._take(archive.load(path))
        return loaded

    def save(self, path: str | PathLike[str], *, history: bool = True) -> None:
        """Write one `.npz`, whole or not at all; `AlternatingLeastSquares.load` reads the model in it.

        Parameters
        ----------
        path
            Gets the ending `.npz` if it has another one.
        history
            Whether to write what each user has.

        Raises
        ------
        InputError
            The file cannot be written; the model's factors are not those of the ids any more, or its
            own `save` would refuse it. An older file stays as it is.
        """
        about = {
            name: getattr(self, name) for name in ("name", "fingerprint", "provenance", "versions")
        }
        kept = self.history if history else None
        archive.save(archive.Parts(self.model, self.catalogue, kept, about), path)

    @property
    def parameters(self) -> dict[str, Any]:
        """The model's constructor arguments."""
        return self.model.get_params()

    def __repr__(self) -> str:
        users, items = len(self.catalogue.user_ids), len(self.catalogue.item_ids)
        return (
            f"<{type(self).__name__} of {self.name!r}: {self.model!r}, "
            f"{counted(users, 'users')} x {counted(items, 'items')}"
            f"{'' if self.history is not None else ', without histories'}>"
        )

    def is_of(self, dataset: Dataset) -> bool:
        """Return whether the model was fitted to just these users, items, pairs and values."""
        return dataset.fingerprint == self.fingerprint

    def with_history(self, dataset: Dataset) -> Self:
        """Return a copy that takes what each user has from other data, matched by id.

        The log says how many users, items and entries the model does not know, and how many of its users
        the data does not have; these get no lists then. The factors stay those of the fit.

        Raises
        ------
        InputError
            The model knows none of the users or none of the items.
        """
        matched = match(self.catalogue, dataset)
        if said := matched.said(dataset.name):
            log.warning("%s", said)
        changed = copy.copy(self)
        changed.history, changed.present = matched.history, matched.present
        return changed

    def row(self, user: object) -> csr_matrix:
        """Return what a user has, (1, items); raise InputError if that or the user is not known."""
        place = self.catalogue.user(user)
        history = self.histories()
        if self.present is not None and not self.present[place]:
            raise InputError(
                f"the model knows the user {user!r}, the data that was given does not: "
                "leave that data out to go by what the model carries"
            )
        return history[[place]]

    def factors_of_users(self) -> Floats:
        """Return the user factors; raise NotFitted, which says what else to ask, if there are none."""
        try:
            (users,) = needed(self.model, "user_factors")
        except NotFitted as error:
            raise NotFitted(
                f"the model of {self.name} has no user factors, so it cannot rank for its own users or "
                "compare them: give a history (--history, or Recommender.recommend_new), or fit again"
            ) from error
        return users.array()

    def histories(self) -> csr_matrix:
        """Return `history`, or raise InputError if the model was saved without."""
        if self.history is None:
            raise InputError(
                f"the model of {self.name} was saved without what each user has: "
                "give that data (--data, or Recommender.with_history)"
            )
        return self.history

    def _user(self, user: object) -> tuple[int, Floats]:
        """Return a user's row and factors; raise InputError if the fit had nothing to make them from."""
        place = self.catalogue.user(user)
        factors = self.factors_of_users()[place]
        if not np.any(factors):
            raise InputError(
                f"user {user!r} had no entries in the fit, so the model has nothing to go by: "
                "give a history (--history, or Recommender.recommend_new)"
            )
        return place, factors

    def _places(self, users: Iterable[Any] | None) -> NDArray[np.int64] | None:
        if users is None:
            return None
        return self.catalogue.users(list(users))
