"""A fitted model with the ids, names and histories of its data: how it is made, saved and loaded."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError
from halfstep.plural import counted
from halfstep.recommender import archive
from halfstep.recommender.catalogue import Catalogue
from halfstep.solvers import Solver
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.registry import make
from halfstep.version import __version__

if TYPE_CHECKING:
    from typing_extensions import Self


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

        Parameters
        ----------
        dataset : Dataset
        solver : str
            A name of `halfstep.SOLVERS`, or `"auto"`, `"cpu"` or `"gpu"`.
        history : bool
            Whether to keep what each user has.
        on_interrupt : {"raise", "keep"}
            Ctrl-C raises KeyboardInterrupt, or returns the recommender with the model as it is then.
        show_progress : bool
            As in the solver's `fit`.
        user_features, item_features : Features or matrix, optional
            As in the solver's `fit`; features that `halfstep.datasets.features` has read go by their
            fields later.
        **parameters
            The solver's arguments, such as `factors`.

        Returns
        -------
        Recommender

        Raises
        ------
        InputError
            As the solver's constructor and `fit` do.

        See Also
        --------
        halfstep.Recommender.load : Reads a model that was saved.
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

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Recommender

        Raises
        ------
        InputError
            There is no such file, it is no model, it is damaged, or it has a model without ids.

        See Also
        --------
        halfstep.Recommender.save : Writes the file.
        """
        loaded = cls.__new__(cls)
        loaded._take(archive.load(path))
        return loaded

    def save(self, path: str | PathLike[str], *, history: bool = True) -> None:
        """Write one .npz file, whole or not at all; `halfstep.load` reads the model in it.

        Parameters
        ----------
        path : str or path
            Gets the ending .npz if it has another one.
        history : bool
            Whether to write what each user has.

        Raises
        ------
        InputError
            The file cannot be written; the model's factors are not those of the ids any more, or its
            own `save` would refuse it. An older file stays as it is.

        See Also
        --------
        halfstep.Recommender.load : Reads it again.
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
