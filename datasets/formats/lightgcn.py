"""The `train.txt` and `test.txt` of NGCF and LightGCN: one line `user item item ...` per user.

Other data sets come as files of these names too, with `user item value` a line; `kind_of` tells them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.text.bad_lines import MalformedLines
from halfstep.datasets.text.blocks import blocks, find_one
from halfstep.datasets.triples import numbered_matrix, shape_of
from halfstep.errors import InputError


def read_lightgcn(path: Path) -> Dataset:
    """Read the folder `path`; `test.txt` may be absent, and a user's line may list no items."""
    train = find_one(path, "train.txt") if path.is_dir() else path
    if train is None:
        raise InputError(f"{path}: a lightgcn folder must have a file train.txt")
    alone = not path.is_dir() and not train.name.startswith("train.")
    test = None if alone else find_one(train.parent, "test.txt")
    (users, items, listed), lines = _read_lists(train)
    malformed = lines.report()
    if len(items) == 0:
        raise InputError(f"{train}: no user has an item")
    test_users = test_items = np.empty(0, np.int64)
    listed_users = [listed]
    if test is not None:
        (test_users, test_items, test_listed), test_lines = _read_lists(test)
        malformed |= test_lines.report()
        listed_users.append(test_listed)
    shape = (shape_of(listed_users, train), shape_of([items, test_items], train))
    provenance: dict[str, object] = {
        "format": "lightgcn",
        "files": [file.name for file in (train, test) if file is not None],
        "rows": lines.rows,
        "malformed": malformed,
    }
    return Dataset(
        train.parent.resolve().name,
        numbered_matrix(users, items, None, shape),
        np.arange(shape[0]),
        np.arange(shape[1]),
        test=None if test is None else numbered_matrix(test_users, test_items, None, shape),
        provenance=provenance,
    )


def kind_of(lines: Sequence[str]) -> Literal["lists", "table", "unclear"]:
    """Tell lists of items from a table by a file's first lines.

    A list has a user of its own and blanks between its numbers, and lists are of different lengths. In a
    table every line has the same number of fields, and users recur. Lines of two fields mean the same
    in both.
    """
    rows = [
        fields
        for line in lines
        if "\t" not in line and (fields := line.split()) and "".join(fields).isdecimal()
    ]
    written = sum(1 for line in lines if line.strip())
    if 2 * len(rows) < written or not rows:
        return "table"
    widths = Counter(len(fields) for fields in rows)
    width, count = widths.most_common(1)[0]
    distinct = len({fields[0] for fields in rows})
    alike = count >= 0.9 * len(rows)
    if alike and width == 2:
        return "table"
    if distinct < len(rows):
        return "table" if alike or distinct < 0.5 * len(rows) else "lists"
    if not alike:
        return "lists"
    # Each line is a user's, which a table that could tell anything is not, unless it begins with a
    # number of its rows.
    return "lists" if width > 4 and _may_be_lists(rows) else "unclear"


def _may_be_lists(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether no line has an item twice, and no column numbers that are far from all others."""
    if any(len(set(row[1:])) < len(row) - 1 for row in rows):
        return False
    width = min(map(len, rows))
    columns = [[int(row[place]) for row in rows] for place in range(1, width)]
    ranges = [(min(column), max(column)) for column in columns]
    for place, (lowest, highest) in enumerate(ranges):
        others = ranges[:place] + ranges[place + 1 :]
        if lowest > max(high for _, high in others) or highest < min(low for low, _ in others):
            return False
    return True


def _read_lists(
    path: Path,
) -> tuple[tuple[NDArray[Any], NDArray[Any], NDArray[Any]], MalformedLines]:
    """Return ((user of each item, the items, every user that has a line), the account of lines)."""
    lines = MalformedLines(path)
    listed: list[int] = []
    lengths: list[int] = []
    items: list[NDArray[np.int64]] = []
    for first_line, block in blocks(path):
        for line, raw in enumerate(block.splitlines(), start=first_line):
            fields = raw.split()
            if not fields:
                lines.add("blank line", line)
            elif not b"".join(fields).isdigit():
                lines.add("not only integers from 0", line)
            elif max(map(len, fields)) > 10:  # `shape_of` checks the numbers against their count
                lines.add("number too large", line)
            else:
                numbers = np.array(list(map(int, fields)), dtype=np.int64)
                listed.append(int(numbers[0]))
                lengths.append(len(numbers) - 1)
                items.append(numbers[1:])
                lines.good += 1
    users = np.array(listed, dtype=np.int64)
    joined = np.concatenate(items) if items else np.empty(0, np.int64)
    return (np.repeat(users, lengths), joined, users), lines
