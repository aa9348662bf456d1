"""The fingerprint: the same for the same ids and entries in any order and dtype, another for others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halfstep.datasets import Dataset
from halfstep.datasets.matching import place, places
from halfstep.datasets.triples import from_triples


def triples(rng, kind=int, users=7, items=9, rows=25):
    pairs = {(int(u), int(i)) for u, i in rng.integers(0, (users, items), size=(rows, 2))}
    return [(kind(3 * u + 5), kind(100 - i), float(v)) for v, (u, i) in enumerate(sorted(pairs), 1)]


def data(rows):
    users, items, values = zip(*rows, strict=True)
    kind = object if isinstance(users[0], str) else np.int64  # NumPy's own text loses a last NUL
    return from_triples(np.array(users, kind), np.array(items, kind), np.array(values))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), text=st.booleans())
def test_it_does_not_depend_on_order_numbering_or_dtype(seed, text):
    rng = np.random.default_rng(seed)
    rows = triples(rng, (lambda n: f"k{n}") if text else int)
    first = data(rows)
    shuffled = data([rows[k] for k in rng.permutation(len(rows))])
    assert shuffled.fingerprint == first.fingerprint
    new_rows, new_columns = rng.permutation(first.users), rng.permutation(first.items)
    matrix = first.interactions[new_rows][:, new_columns].astype(np.float64)
    matrix.sort_indices()
    matrix.indptr, matrix.indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    ids = first.user_ids[new_rows], first.item_ids[new_columns]
    assert Dataset("other", matrix, *ids).fingerprint == first.fingerprint
    assert Dataset(
        "text", matrix, *(one.astype(str).astype(object) for one in ids)
    ).fingerprint == (first.fingerprint)


def test_any_other_id_pair_or_value_changes_it():
    rows = triples(np.random.default_rng(0))
    first = data(rows)
    (user, item, value), rest = rows[0], rows[1:]
    free = next(i for i in range(92, 101) if (user, i) not in {row[:2] for row in rows})
    others = [
        [(user, item, value + 1), *rest],
        [(user, free, value), *rest],
        [(user + 1, i, v) if u == user else (u, i, v) for u, i, v in rows],
        rest,
        [*rows, (10_000, item, 1.0)],
        # What is left the same when users, items and values are taken for themselves.
        [(u, i, v) for (u, i, _), (_, _, v) in zip(rows, [*rest, rows[0]], strict=True)],
    ]
    found = {data(other).fingerprint for other in others}
    assert len(found) == len(others)
    assert first.fingerprint not in found
    # A shape alone does not tell data apart: the matrix is the same here.
    renamed = Dataset("r", first.interactions, first.user_ids + 1, first.item_ids)
    assert renamed.content_hash == first.content_hash
    assert renamed.fingerprint != first.fingerprint
    empty = Dataset("e", first.interactions[:0], first.user_ids[:0], first.item_ids)
    assert empty.fingerprint != first.fingerprint


def test_text_is_not_cut_or_joined_by_chance():
    rows = [("ab", "x", 1), ("c", "x", 1)], [("a", "x", 1), ("bc", "x", 1)]
    other = [("ab\0", "x", 1), ("c", "x", 1)]
    assert len({data(one).fingerprint for one in (*rows, other)}) == 3


NUMBERS, TEXTS = np.array([30, 10, -20]), np.array(["30", "10", "-20", "007"], object)
LARGE = np.array([2**63 + 5, 3], np.uint64)


@pytest.mark.parametrize(
    ("known", "wanted", "expected"),
    [
        (NUMBERS, np.array([10, 11, 30]), [1, -1, 0]),
        (NUMBERS, np.array(["10", "010", "-20", " 30", "x", ""], object), [1, -1, 2, -1, -1, -1]),
        (TEXTS, np.array([10, 7, -20], np.int32), [1, -1, 2]),
        (TEXTS, np.array(["007", "7"], object), [3, -1]),
        (LARGE, np.array([2**63 + 5, 2**63 + 4], np.uint64), [0, -1]),
        (np.array([2**53 + 1]), np.array([2**53, 2**53 + 1], np.uint64), [-1, 0]),
        (NUMBERS[:0], NUMBERS, [-1, -1, -1]),
    ],
)
def test_ids_match_as_numbers_and_as_text(known, wanted, expected):
    assert places(known, wanted).tolist() == expected
    alone = [place(known, one) for one in wanted.tolist()]
    assert [-1 if one is None else one for one in alone] == expected


@pytest.mark.parametrize("wanted", [True, 10.0, None, "1" * 5000, b"10", "１０", "1_0"])
def test_what_is_no_id_is_nowhere(wanted):
    assert place(NUMBERS, wanted) is None
    assert place(TEXTS, wanted) is None
