"""Data whose ids are no indices, for models that carry them; and its kinds."""

import numpy as np

from halfstep.datasets.triples import from_triples

SETTINGS = {"solver": "cholesky", "factors": 3, "iterations": 4, "random_state": 0}
KINDS = ("numbers", "text", "no names")


def made(kind="numbers", users=41, items=23, seed=0):
    """Return data whose ids are no indices; the last user has nothing, nor has anybody the last item."""
    rng = np.random.default_rng(seed)
    shape = (users - 1, items - 1)
    pairs = np.array(sorted({tuple(p) for p in rng.integers(0, shape, size=(6 * users, 2))}))
    user_ids, item_ids = 7 * np.arange(users) + 1000, 3 * np.arange(items) + 50
    if kind == "text":
        user_ids, item_ids = (
            np.array([f"é{n}" for n in ids], object) for ids in (user_ids, item_ids)
        )
    names = np.array([f'Item {n}, "the {n}th"' for n in range(items)], object)
    names[3], names[5] = "", "311"
    return from_triples(
        *pairs.T,
        rng.integers(1, 30, size=len(pairs)),
        name="shop",
        user_ids=user_ids,
        item_ids=item_ids,
        item_names=None if kind == "no names" else names,
        provenance={"format": "table", "reading": {"columns": {"user": "buyer"}}},
    )
