"""The public `fit`: over the workers of a Dask cluster, from Parquet or a matrix to a `ShardedModel`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from halfstep import defaults
from halfstep.distributed.columns import Column, Value
from halfstep.distributed.storage import Folder

Callback = Callable[[int, float, "float | None"], Any]


def fit(
    source: Any = None,
    *,
    folder: Any,
    client: Any = None,
    user: Column = None,
    item: Column = None,
    value: Value = None,
    solver: str = "eigenbasis",
    shards: int | None = None,
    groups: int | None = None,
    num_threads: int | None = None,
    iterations: int = defaults.ITERATIONS,
    random_state: int | None = None,
    resume: bool = False,
    checkpoint_every: int = 1,
    init: Any = None,
    calculate_training_loss: bool = False,
    early_stopping: float | None = None,
    callback: Callback | None = None,
    show_progress: bool = True,
    on_interrupt: str = "raise",
    storage_options: dict[str, Any] | None = None,
    patience: float = 30.0,
    replacement: float = 20.0,
    **settings: Any,
) -> Any:
    """Factorise interactions over the workers of a cluster.

    Parameters
    ----------
    source
        A path, a pattern or a folder of Parquet files, at any URL that fsspec knows; a Dask dataframe; a
        sparse matrix (users, items); a `halfstep.Dataset`; or None for the data that `folder` has from
        an earlier fit.
    folder, storage_options
        A folder that this process and all workers see, at any URL that fsspec knows: for the numbered
        data, the checkpoints and the model; and what its file system is made with, which a source at a
        URL of the same kind is read with, too.
    client
        A client of Dask. None starts a cluster on this machine, and ends it after the fit.
    user, item, value
        The columns of a table, by name or by number from 1. None finds the column by its name, as
        `halfstep.load_data` does, and the log says which it is; without a column of values each row
        counts 1, and so it does with `value=False`. Values of a pair of ids are summed, ratings too.
    solver
        A rung of `halfstep.SOLVERS`. `settings` are its arguments: `factors`, `regularization`, ...
    shards
        Into how many parts rows are cut; None means the number of workers. The result does not depend on
        which worker has which, or on their number.
    groups
        In how many groups each worker solves its rows, with the rows that one of them needs in memory at
        a time. None means as many as the workers' memory asks for.
    num_threads
        Threads of each worker's solver; None means what the worker was started with.
    random_state
        A seed of the starting factors, those of a fit in one process. None means a random one.
    resume
        Go on from the last manifest in `folder`, if there is one. Data, settings and `init` must be
        those of the fit that left it; iterations and threads need not.
    checkpoint_every
        Iterations between two checkpoints; 0 for none. With 1 a lost worker costs a half-step.
    init
        A model to start from, instead of with random factors: a `ShardedModel` or its folder, in another
        folder than the fit's; or a `halfstep.Recommender` or its .npz file. Its factors are taken by the
        original ids, of which a number and its text are the same; rows that it does not have start with
        the random numbers that they would have without `init`. Where it has all rows, the fit has the
        bits of `init_factors` in one process, and of `warm_start` of a model that was loaded:
        iterations and the pace of over-relaxation are counted anew. New rows are not placed before the
        first half-step, as `warm_start` in one process places them; it places users, and the second one
        items. Each shard reads the model's ids shard by shard until it has found its own, and those
        factors' files: quickest where both have as many shards, and slowest with many new ids.
    calculate_training_loss
        Append the float64 objective to `loss_history_` after each iteration; the users' factors travel
        once more for that.
    early_stopping
        End when an iteration lowers the objective by less than this part of it. Calculates it.
    callback
        Called as `callback(iteration, seconds, loss)` after each iteration; True ends the fit.
    on_interrupt
        As in `Solver.fit`. After Ctrl-C the model is that of the last whole iteration.
    patience
        Seconds after which a worker that does not answer is taken for lost.
    replacement
        Seconds to wait for the next process of a lost worker that a nanny looks after, and for the first
        worker.

    Returns
    -------
    ShardedModel
        The model in `folder`.

    Raises
    ------
    InputError
        Bad arguments or data, a folder that a worker does not see, versions that differ.
    NotFinite
        A row's factors are not finite; the message names side, row and id.
    ClusterLost
        No worker is left, or the scheduler is gone. The last manifest is whole.

    See Also
    --------
    halfstep.distributed.ShardedModel : What comes back.
    halfstep.Recommender.fit : A fit in this process.

    Examples
    --------
    It starts a cluster of processes, which takes some seconds, so this example is not run as a test.

    >>> from dask.distributed import Client, LocalCluster
    >>> from halfstep import distributed, load_data
    >>> if __name__ == "__main__":  # doctest: +SKIP
    ...     with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
    ...         model = distributed.fit(
    ...             load_data("music-small"), folder="fit", client=client, factors=8, random_state=0
    ...         )
    """
    from halfstep.distributed.fitting.arguments import check_run, seed_of, solver_of
    from halfstep.distributed.fitting.checks import check_folder, check_workers
    from halfstep.distributed.fitting.clusters import connected
    from halfstep.distributed.fitting.initial import checked, in_shards
    from halfstep.distributed.fitting.preparing import data_of
    from halfstep.distributed.fitting.run import run
    from halfstep.distributed.terms import measure_terms

    made = solver_of(solver, iterations, settings)
    check_run(
        checkpoint_every, early_stopping, on_interrupt, random_state, callback, storage_options,
        {"shards": shards, "groups": groups}, {"patience": patience, "replacement": replacement},
    )  # fmt: skip
    place = Folder(folder, storage_options)
    model = checked(init, place, made)
    with connected(client) as of:
        check_workers(of, replacement)
        check_folder(of, place)
        facts = data_of(
            source, of, place, shards=shards, user=user, item=item, value=value, resume=resume
        )
        if made.transform is not None:
            measure_terms(of, place, facts, made, show_progress)
        return run(
            of, place, facts, made,
            seed=seed_of(random_state), threads=num_threads, groups=groups, resume=resume,
            every=checkpoint_every, losses=calculate_training_loss or early_stopping is not None,
            init=in_shards(model, place, facts.shards), early=early_stopping, callback=callback,
            show=show_progress, on_interrupt=on_interrupt, patience=patience, replacement=replacement,
        )  # fmt: skip
