"""The training part and the held-out part of a data set, whether it brings its own split or not."""

from __future__ import annotations

from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError
from halfstep.evaluation.split import Split, per_user


def train_and_test(data: Dataset, test_fraction: float, seed: int) -> Split:
    """Return the data set's own split, or a seeded share of each user's entries.

    Raises
    ------
    InputError
        A fraction outside (0, 1), or nobody with enough entries to hold one out.
    """
    if data.test is not None:
        return Split(data.interactions, data.test)
    split = per_user(data.interactions, test_fraction, random_state=seed)
    if split.test.nnz == 0:
        raise InputError(
            f"{data.name}: no user has enough entries to hold {test_fraction:.0%} of them out"
        )
    return split
