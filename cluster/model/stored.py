"""The files of a `ShardedModel`: how it is read, copied, and taken into one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from halfstep.distributed.model import copies
from halfstep.distributed.model.record import Record, read_model
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.plural import counted

if TYPE_CHECKING:
    from typing_extensions import Self

    from halfstep.recommender.recommender import Recommender


class StoredShards:
    """A model in files, a shard each; `ShardedModel` answers."""

    def __init__(self, folder: Folder, record: Record) -> None:
        self.folder, self._record = folder, record
        self.facts, self.settings = record.facts, dict(record.settings)
        self.solver_, self.iterations_ = record.solver, record.iterations
        self.loss_history_ = list(record.loss_history)
        self.seconds_, self.relaxation_ = list(record.seconds), list(record.relaxation)
        self.interrupted_: int | None = None

    @classmethod
    def load(cls, folder: str | Folder, storage_options: dict[str, Any] | None = None) -> Self:
        """Read the model of a fit's folder, or of one that `save` wrote.

        Parameters
        ----------
        folder : str
            A path, or a URL that fsspec knows.
        storage_options : dict, optional
            What its file system is made with.

        Returns
        -------
        ShardedModel

        Raises
        ------
        InputError
            There is no model, it is damaged or of another format, or of other data than the folder's.

        See Also
        --------
        save : Copies the model to a folder.
        """
        where = _folder(folder, storage_options)
        return cls(where, read_model(where))

    def __repr__(self) -> str:
        users, items = self.facts.rows("user"), self.facts.rows("item")
        return (
            f"<{type(self).__name__} in {self.folder.url!r}: {self.solver_}, "
            f"{self._record.factors} factors, "
            f"{counted(self.iterations_, 'iterations')}, {counted(users, 'users')} x "
            f"{counted(items, 'items')}, {counted(self.facts.shards, 'shards')}>"
        )

    def save(
        self,
        folder: str | Folder,
        storage_options: dict[str, Any] | None = None,
        *,
        history: bool = False,
    ) -> Self:
        """Copy the model and its ids to another folder, and return the copy.

        A model that `folder` has is replaced; from the first byte to the last it has none, so that what
        was broken off is not taken for whole.

        Parameters
        ----------
        folder, storage_options
            As in `load`.
        history : bool
            Whether to copy what each user has, too: the lists leave it out, and evaluations need it.

        Returns
        -------
        ShardedModel

        Raises
        ------
        InputError
            `folder` has files and no model; a file of this model is missing or damaged.

        See Also
        --------
        load : Reads the copy.
        """
        target = _folder(folder, storage_options)
        copies.save(self.folder, self._record, target, history)
        return type(self)(target, self._record)

    def to_model(self) -> Any:
        """Return the solver in this process, as if it had been fitted here, with all factors.

        Rows are in the numbering of the fit's data; `to_recommender` has the ids as well.

        Returns
        -------
        Solver

        Raises
        ------
        NotEnoughMemory
            The factors do not fit into this process's memory.

        See Also
        --------
        to_recommender : The model with its ids.
        """
        return copies.to_model(self.folder, self._record)

    def to_recommender(self, *, history: bool = True) -> Recommender:
        """Return the model with the original ids, whose `save` writes what `halfstep fit` writes.

        Parameters
        ----------
        history : bool
            Whether it keeps what each user has.

        Returns
        -------
        Recommender

        Raises
        ------
        NotEnoughMemory
            Factors, ids and entries do not fit into this process's memory.
        InputError
            The folder is a copy without what the users have.

        See Also
        --------
        to_model : The model by numbers of rows and columns.
        """
        return copies.to_recommender(self.folder, self._record, history)

    def _threads(self, num_threads: int | None) -> int:
        given = self._record.settings.get("num_threads", 0) if num_threads is None else num_threads
        return int(given or 0)

    def _target(self, folder: str | Folder, storage_options: dict[str, Any] | None) -> Folder:
        if storage_options is None:
            storage_options = self.folder.options_for(folder)
        return _folder(folder, storage_options)


def _folder(folder: Any, storage_options: dict[str, Any] | None) -> Folder:
    if isinstance(folder, Folder):
        return folder
    if not isinstance(folder, str) and not hasattr(folder, "__fspath__"):
        raise InputError(f"folder must be a path or a URL, got {type(folder).__name__}")
    return Folder(str(folder), storage_options)
