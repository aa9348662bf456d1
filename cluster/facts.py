"""What is known of numbered data: how many rows, how they are cut into shards, what was read."""

from __future__ import annotations

import bisect
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

FORMAT = "halfstep blocks 1"
NAME = "facts.json"
SIDES = ("user", "item")
OTHER = {"user": "item", "item": "user"}


@dataclass(frozen=True)
class Facts:
    """Facts about the data in a folder; their file is written last: it is there when all is.

    Attributes
    ----------
    identity
        A digest of the blocks.
    shards
        How many shards each side has.
    starts
        For each side the first row of each shard, and the number of rows.
    entries
        Stored entries.
    columns
        The names of the table's columns: "user", "item", and "value", which may be None.
    id_types
        For each side "int64" or "string".
    hubs
        For each side [row, entries] of the rows whose entries are kept in pieces.
    middles
        For each side, of each hub and piece the row of the other side in its middle: a piece lives where
        that row does.
    source
        What the data was made from.
    """

    identity: str
    shards: int
    starts: dict[str, list[int]]
    entries: int
    columns: dict[str, str | None]
    id_types: dict[str, str]
    hubs: dict[str, list[list[int]]] = field(default_factory=lambda: {"user": [], "item": []})
    middles: dict[str, list[list[int]]] = field(default_factory=lambda: {"user": [], "item": []})
    source: dict[str, Any] = field(default_factory=dict)

    def rows(self, side: str) -> int:
        """Return the number of rows of a side."""
        return self.starts[side][-1]

    def hubs_of(self, side: str, shard: int) -> dict[int, int]:
        """Return the rows of a shard that are hubs, with their entries."""
        first, stop = self.starts[side][shard : shard + 2]
        return {row: entries for row, entries in self.hubs[side] if first <= row < stop}

    def shard_of(self, side: str, row: int) -> int:
        """Return the shard that has a row."""
        return bisect.bisect_right(self.starts[side], row) - 1

    @classmethod
    def read(cls, folder: Folder) -> Facts:
        """Read the facts about the data in a folder.

        Raises
        ------
        InputError
            There is no data, or none as this version writes it.
        """
        where = f"{folder.url}/{NAME}"
        try:
            with folder.reading(NAME) as file:
                found = json.loads(file.read())
        except FileNotFoundError:
            raise InputError(f"{where} is missing: the folder has no data of a fit") from None
        except ValueError:
            raise InputError(f"{where} is damaged: make the data anew") from None
        try:
            if found.pop("format") != FORMAT:
                raise ValueError
            return cls(**found)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(f"{where} is of another version: make the data anew") from None

    def write(self, folder: Folder) -> None:
        """Write the facts, after all else."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        with folder.writing(NAME) as file:
            file.write(text.encode())
