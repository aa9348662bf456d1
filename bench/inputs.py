"""The data of a comparison: the training part, the held-out part, and their record in the results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep import datasets
from halfstep.bench.schema import DataRecord
from halfstep.bench.settings import DEFAULT_DATA, BenchSettings
from halfstep.datasets import Dataset
from halfstep.errors import InputError
from halfstep.evaluation.protocols.draws import chosen_users, hashed
from halfstep.evaluation.protocols.own_split import train_and_test
from halfstep.files import plain

EVALUATED_USERS = 10_000


@dataclass(frozen=True)
class SplitDataset:
    """One data set, split.

    Attributes
    ----------
    train, test
        (users, items) matrices without a common entry.
    evaluated
        Numbers of the users that quality is compared on: all users with held-out items, or a seeded
        sample of 10,000 of them.
    """

    train: sparse.csr_matrix
    test: sparse.csr_matrix
    evaluated: npt.NDArray[np.int64]
    record: DataRecord


def load_data(
    settings: BenchSettings, entries: int | None = None, data: str | None = None
) -> SplitDataset:
    """Load a data set, or generate one of `entries` entries, and split it.

    Parameters
    ----------
    data
        As `datasets.load` takes it; None for the data of the settings.

    Raises
    ------
    InputError
        There is no such data, or none of its entries can be held out.
    """
    if entries is None:
        return split_data(
            datasets.load(data or settings.data or DEFAULT_DATA, settings.table), settings
        )
    from halfstep.datasets.generated.presets import generate_music

    return split_data(generate_music(entries, seed=settings.seed), settings)


def split_data(
    dataset: Dataset, settings: BenchSettings, most_users: int | None = None
) -> SplitDataset:
    """Split off the data's own held-out part, or else hold out a share of each user's entries.

    Parameters
    ----------
    most_users
        The largest number of users to compare quality on; None for 10,000.
    """
    most_users = most_users or EVALUATED_USERS
    if dataset.test is not None:
        how = "the data's own held-out part"
    else:
        share = 100 * settings.test_fraction
        how = f"{share:g} % of each user's entries held out at random, seed {settings.seed}"
    split = train_and_test(dataset, settings.test_fraction, settings.seed)
    train, test = split.train, split.test
    # Users without a history are judged apart, so they are not among those that decide a comparison.
    known = (np.diff(train.indptr) > 0) & (np.diff(test.indptr) > 0)
    rows = np.flatnonzero(known).astype(np.int64)
    if not len(rows) or train.nnz == 0:
        raise InputError(
            f"data must leave entries to fit and to hold out, got {train.nnz} and {test.nnz}"
        )
    ids = hashed(train.shape, dataset.user_ids, dataset.item_ids)
    rows = chosen_users(rows, most_users, ids.users, settings.seed)
    return SplitDataset(
        train=train,
        test=test,
        evaluated=rows,
        record=DataRecord(
            name=dataset.name,
            content_hash=dataset.content_hash,
            users=int(train.shape[0]),
            items=int(train.shape[1]),
            entries=int(train.nnz),
            held_out=int(test.nnz),
            evaluated_users=len(rows),
            split=how,
            provenance=plain(dataset.provenance),
        ),
    )
