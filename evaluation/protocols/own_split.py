"""The split that a data set comes with, or else one that is drawn."""

from __future__ import annotations

import numpy as np

from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError
from halfstep.evaluation.metrics.judged import Overlap, entries_of, shared_entries
from halfstep.evaluation.protocols.split import Split, per_user

_NAMED = 3  # entries that an error names


def train_and_test(
    data: Dataset, test_fraction: float, seed: int, *, overlap: Overlap = "error"
) -> Split:
    """Return the split that the data set comes with, or else hold out a share of each user's entries.

    Raises
    ------
    InputError
        `test_fraction` is outside (0, 1), no user has enough entries to hold one out, the data's own
        parts share entries, or `overlap` is given for data without parts of their own.
    """
    if data.test is not None:
        return own_split(data, overlap)
    refuse_overlap(data, overlap)
    split = per_user(
        data.interactions, test_fraction, user_ids=data.user_ids, item_ids=data.item_ids,
        random_state=seed,
    )  # fmt: skip
    if split.test.nnz == 0:
        raise InputError(
            f"{data.name}: no user has enough entries to hold {test_fraction:.0%} of them out"
        )
    return split


def own_split(data: Dataset, overlap: Overlap = "error") -> Split:
    """Return the split that a data set comes with.

    Parameters
    ----------
    overlap
        What to do with entries in both parts: "error" raises, "drop" takes them out of the test part,
        and "keep" leaves them, for an evaluation that is told the same.

    Raises
    ------
    InputError
        The parts share entries, or there is no test part.
    """
    if data.test is None:
        raise InputError(f"{data.name}: the data has no test part")
    train, test = data.interactions, data.test
    both = shared_entries(train, test)
    if not both.any() or overlap == "keep":
        return Split(train, test)
    if overlap == "drop":
        return Split(train, entries_of(test, ~both))
    rows = np.repeat(np.arange(data.users), np.diff(test.indptr))
    pairs = [
        f"user {data.user_ids[rows[place]]} item {data.item_ids[test.indices[place]]}"
        for place in np.flatnonzero(both)[:_NAMED]
    ]
    files = data.provenance.get("files")
    where = ", ".join(map(str, files)) if isinstance(files, list | tuple) and files else data.name
    more = "" if both.sum() <= _NAMED else ", ..."
    raise InputError(
        f"{where}: {both.sum()} of {test.nnz} test entries are in the training part too "
        f"({', '.join(pairs)}{more}); `--overlap drop` takes them out of the test part, "
        "`--overlap keep` judges by them although the model was fitted on them (evaluate, tune, compare)"
    )


def refuse_overlap(data: Dataset, overlap: Overlap) -> None:
    """Raise InputError if `overlap` is anything but "error": parts that are drawn share no entry."""
    if overlap != "error":
        raise InputError(
            f"--overlap is about a split that comes with the data, got {overlap!r} for {data.name}, "
            "of which entries are held out"
        )
