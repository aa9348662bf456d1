"""Number text ids block by block, so that no string is held twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class TextIds:
    """Numbers the strings of one column in the order of their first appearance."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._parts: list[NDArray[np.int32]] = []

    def append(self, texts: NDArray[Any]) -> None:
        """Add the strings of one block, an object array of str."""
        import pandas as pd

        codes, uniques = pd.factorize(texts)
        number = self._number
        known = [number.setdefault(text, len(number)) for text in uniques.tolist()]
        self._parts.append(np.array(known, dtype=np.int32)[codes])

    def numbered(self) -> tuple[NDArray[np.int32], NDArray[Any]]:
        """Return (rank of each row's id, the ids in ascending order).

        The ids are int64 if all of them are integers written without leading zeros or signs.
        """
        ids = np.array([*self._number, None], dtype=object)[:-1]
        if all(_is_integer(text) for text in self._number):
            ids = ids.astype(np.int64)
        order = np.argsort(ids, kind="stable")
        rank = np.empty(len(ids), dtype=np.int32)
        rank[order] = np.arange(len(ids), dtype=np.int32)
        return rank[np.concatenate(self._parts)], ids[order]


def _is_integer(text: str) -> bool:
    return (
        text.isascii() and text.isdecimal() and len(text) <= 18 and (text == "0" or text[0] != "0")
    )
