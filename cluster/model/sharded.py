"""The result of a distributed fit, which stays in the shards' files: `ShardedModel`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from halfstep import defaults
from halfstep.distributed.model import evaluating, recommending
from halfstep.distributed.model.recommending import Written
from halfstep.distributed.model.stored import StoredShards
from halfstep.distributed.storage import Folder
from halfstep.evaluation.metrics.held_out import Evaluation

if TYPE_CHECKING:
    import pyarrow as pa

    from halfstep.evaluation.metrics.judged import Overlap


class ShardedModel(StoredShards):
    """Factors of users and items in files, a shard each, and what can be asked of them.

    `halfstep.distributed.fit` returns one, and `load` reads one again. It holds no factors: each method
    reads what it needs, so that no machine must hold more than a shard of the users and, if they fit,
    all items. With `client=` (a client of Dask) the shards are spread over its workers, which must
    reach the folder under the same URL; without, this process takes one after the other.

    Attributes
    ----------
    folder : Folder
        The folder of the fit.
    facts : Facts
        Of the data: numbers of users and items by shard, entries, kinds of ids.
    settings : dict
        The solver's constructor arguments.
    solver_, iterations_
        The solver's name, and how many iterations the fit did.
    loss_history_, seconds_, relaxation_ : list of float
        As a solver's.
    interrupted_
        How many whole iterations the fit that returned this had done when Ctrl-C ended it, or None.

    See Also
    --------
    halfstep.distributed.fit : Makes one.
    halfstep.Recommender : A model in memory.

    Examples
    --------
    It needs the folder of a fit over a cluster, so this example is not run as a test.

    >>> from halfstep.distributed import ShardedModel
    >>> model = ShardedModel.load("fit")  # doctest: +SKIP
    >>> model.recommend(1000066, N=3).column_names  # doctest: +SKIP
    ['user', 'item', 'score', 'rank']
    """

    def recommend_all(
        self,
        folder: str | Folder,
        N: int = defaults.LIST_LENGTH,
        *,
        client: Any = None,
        filter_already_liked_items: bool = True,
        items: Any = None,
        num_threads: int | None = None,
        show_progress: bool = True,
        storage_options: dict[str, Any] | None = None,
    ) -> Written:
        """Write the N best items of each user, `recommendations-00003.parquet` for the users of shard 3.

        The columns are `user` and `item` (original ids), `score`, and `rank` from 1. The lists are those
        that `recommend` of `to_model()` returns for all users at once. A file is written whole or not at
        all; files of the same names are replaced.

        Parameters
        ----------
        folder : str
            For the files. They may be read as one table.
        N : int
            The length of the lists, at least 1.
        client : distributed.Client, optional
            Of Dask, whose workers share the shards; None does all in this process.
        filter_already_liked_items : bool
            Leave out what a user has.
        items : array_like, optional
            Original ids of the items to choose among; None for all.
        num_threads : int, optional
            For each shard; None for the fit's setting, 0 for all cores of a machine, shared by what it
            does at one time.
        show_progress : bool
            As in a solver's `fit`.
        storage_options : dict, optional
            Of `folder`; None for those of the model's folder.

        Returns
        -------
        Written
            How many users have a list, the rows of all files, and how many lists are short.

        Raises
        ------
        InputError
            N is below 1, an item is not known, a score overflows, or a file is missing or damaged.

        See Also
        --------
        recommend : The lists of one user or of a few.
        """
        return recommending.recommend_all(
            self.folder, self._record, self._target(folder, storage_options), N, client=client,
            filter_already_liked_items=filter_already_liked_items, items=items,
            num_threads=self._threads(num_threads), show_progress=show_progress,
        )  # fmt: skip

    def recommend(
        self,
        user_ids: Any,
        N: int = defaults.LIST_LENGTH,
        *,
        filter_already_liked_items: bool = True,
        items: Any = None,
    ) -> pa.Table:
        """Return the N best items of one user or of a few, as a table like those of `recommend_all`.

        Only these users' shards and the item factors are read. For many, `recommend_all` is faster.

        Parameters
        ----------
        user_ids : int, str or array_like
            An original id, or some; a number and its text are the same id.
        N, filter_already_liked_items, items
            As in `recommend_all`.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        InputError
            Users or items are not known; the message names them.

        See Also
        --------
        recommend_all : The lists of all users, to files.
        """
        return recommending.recommend(
            self.folder, self._record, user_ids, N,
            filter_already_liked_items=filter_already_liked_items, items=items,
        )  # fmt: skip

    def evaluate(
        self,
        test: Any,
        k: int = defaults.LIST_LENGTH,
        metrics: str | Iterable[str] = evaluating.METRICS,
        *,
        client: Any = None,
        min_value: float | None = None,
        overlap: Overlap = "error",
        folder: str | Folder | None = None,
        user: str | int | None = None,
        item: str | int | None = None,
        value: str | int | None = None,
        num_threads: int | None = None,
        show_progress: bool = True,
        storage_options: dict[str, Any] | None = None,
    ) -> Evaluation:
        """Return how well the model ranks held-out items; the numbers are those of `halfstep.evaluate`.

        Parameters
        ----------
        test
            What was held out of the fit: Parquet files of rows with a user's and an item's original id
            (a path, a folder, a pattern, or a list of these), or a SciPy matrix (users, items) in the
            numbering of the fit's data. Rows of unknown ids are left out, and the log says so.
        k
            The length of the recommended lists.
        metrics
            One or some of precision, recall, recall_capped, ndcg, map, hit_rate and auc, as
            `halfstep.evaluation.metrics.held_out` defines them. Without auc it is several times as fast.
        min_value, overlap
            As there: the least value of a relevant entry, and what to do with entries of the fit's data.
        folder
            Where to write what each user got, one `per-user-00003.parquet` a shard; None for nowhere.
        user, item, value
            The columns of the files, by name or by number from 1; None for their names in the fit's
            data. If `value` is None and there is no such column, each row counts 1.
        num_threads, storage_options
            As in `recommend_all`; the files of `test` are read with the options of the model's
            folder if they are at a URL of its kind.

        Returns
        -------
        Evaluation
            It has each evaluated user's numbers, of which `means()` and
            `halfstep.evaluation.metrics.intervals.bootstrap_intervals` make the same as in one process.

        Raises
        ------
        InputError
            `test` has another shape, no such columns, entries of the fit's data (with overlap "error"),
            or nothing relevant; or an argument is outside its range.
        NotEnoughMemory
            The item factors do not fit into a worker's memory.

        See Also
        --------
        halfstep.evaluation.evaluate : The same in one process, with the definitions.
        """
        names = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        wanted = evaluating.Wanted(k, names, min_value, overlap)
        return evaluating.evaluate(
            self.folder, self._record, test, wanted, client=client,
            columns={"user": user, "item": item, "value": value},
            target=None if folder is None else self._target(folder, storage_options),
            num_threads=self._threads(num_threads), show_progress=show_progress,
        )  # fmt: skip
