"""The leave-one-out files of He et al., "Neural Collaborative Filtering" (WWW 2017)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.text.bad_lines import MalformedLines
from halfstep.datasets.text.blocks import blocks, find_one, first_lines
from halfstep.datasets.text.columns import read_columns
from halfstep.datasets.text.line import Kind, Layout, integer
from halfstep.datasets.triples import numbered_matrix, shape_of
from halfstep.errors import InputError


def read_ncf(path: Path) -> Dataset:
    """Read `NAME.train.rating`, `.test.rating`, `.test.negative` and, where it exists, `.item_ids.txt`.

    A negative that is the test item itself or repeats in its line becomes -1, because ranking an item
    against itself would count it twice (156 of the published ml-1m negatives are the test item).
    """
    train = find_one(path, "*.train.rating") if path.is_dir() else path
    if train is None:
        raise InputError(f"{path}: an ncf folder must have a file NAME.train.rating")
    folder, name = train.parent, train.name.partition(".train.rating")[0]
    test, negative, ids = (
        find_one(folder, f"{name}.{end}")
        for end in ("test.rating", "test.negative", "item_ids.txt")
    )
    if test is None:
        raise InputError(f"{folder}: an ncf folder must have a file {name}.test.rating")
    (users, items, values), lines = _read_ratings(train)
    (test_users, test_items, test_values), test_lines = _read_ratings(test)
    malformed = lines.report() | test_lines.report()
    pairs: list[tuple[int, int, list[int]]] = []
    if negative is not None:
        known = set(zip(test_users.tolist(), test_items.tolist(), strict=True))
        pairs, negative_lines = _read_negatives(negative, known)
        malformed |= negative_lines.report()
    listed = np.array([item for _, _, line in pairs for item in line], dtype=np.int64)
    shape = (
        shape_of([users, test_users], train),
        shape_of([items, test_items, listed], train),
    )
    held_out = numbered_matrix(test_users, test_items, test_values, shape)
    negatives, equal = (None, 0) if negative is None else _padded(pairs, shape[0])
    item_ids = np.arange(shape[1]) if ids is None else _read_item_ids(ids, shape[1])
    provenance: dict[str, object] = {
        "format": "ncf",
        "files": [file.name for file in (train, test, negative, ids) if file is not None],
        "rows": lines.rows,
        "test_rows": test_lines.rows,
        "malformed": malformed,
        "negatives_equal_to_test_item": equal,
    }
    if name == "ml-1m":
        provenance["licence"] = "research use, no redistribution (GroupLens, MovieLens)"
    return Dataset(
        name,
        numbered_matrix(users, items, values, shape),
        np.arange(shape[0]),
        item_ids,
        test=held_out,
        negatives=negatives,
        provenance=provenance,
    )


def _read_ratings(path: Path) -> tuple[list[NDArray[Any]], MalformedLines]:
    kinds: list[Kind] = ["id", "id", "number"]
    if any(line.count("\t") == 3 for line in first_lines(path, 1)):
        kinds.append("number")  # the time
    columns, lines = read_columns(path, Layout(kinds, "\t"))
    return columns[:3], lines


def _read_negatives(
    path: Path, known: set[tuple[int, int]]
) -> tuple[list[tuple[int, int, list[int]]], MalformedLines]:
    """Read lines `(user,item) TAB negative TAB negative ...`."""
    lines = MalformedLines(path)
    rows = []
    for first_line, block in blocks(path):
        for line, raw in enumerate(block.splitlines(), start=first_line):
            head, *fields = raw.decode("utf-8", "replace").strip().split("\t")
            pair = head.removeprefix("(").removesuffix(")").split(",")
            numbers = [integer(field) for field in (*pair, *fields)]
            good = [number for number in numbers if number is not None and number >= 0]
            if not raw.strip():
                lines.add("blank line", line)
            elif len(pair) != 2 or not head.startswith("("):
                lines.add("no (user,item) pair", line)
            elif len(good) != len(numbers):
                lines.add("item not an integer from 0", line)
            elif (good[0], good[1]) not in known:
                lines.add("pair not in the test file", line)
            else:
                rows.append((good[0], good[1], good[2:]))
                lines.good += 1
    return rows, lines


def _padded(pairs: list[tuple[int, int, list[int]]], users: int) -> tuple[NDArray[np.int32], int]:
    """Return (negatives (users, k), how many of those read were their user's test item)."""
    width = max(len(line) for _, _, line in pairs)
    negatives = np.full((users, width), -1, dtype=np.int32)
    equal = 0
    for user, item, line in pairs:
        equal += line.count(item)
        seen = {item}
        for place, candidate in enumerate(line):
            if candidate not in seen:
                negatives[user, place] = candidate
                seen.add(candidate)
    return negatives, equal


def _read_item_ids(path: Path, items: int) -> NDArray[Any]:
    (ids,), lines = read_columns(path, Layout(("id",), "\t"))
    if lines.rows != items or lines.counts or len(np.unique(ids)) != items:
        raise InputError(f"{path}: must hold {items} different ids, one a line, got {len(ids)}")
    return ids
