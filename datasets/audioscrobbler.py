"""The Audioscrobbler dump of 6 May 2005: plays, artist names, and a table of misspelt artists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.builder import from_triples
from halfstep.datasets.columns import read_columns
from halfstep.datasets.dataset import Dataset
from halfstep.datasets.fields import Layout
from halfstep.datasets.item_names import read_item_names
from halfstep.datasets.textfile import find_one, first_lines
from halfstep.errors import InputError


def read_audioscrobbler(
    path: Path, *, aliases: Literal["resolved", "once", "none"] = "resolved"
) -> Dataset:
    """Read `user_artist_data*.txt` with `artist_data*.txt` and `artist_alias*.txt` where they exist.

    Parameters
    ----------
    path : Path
        The folder, or the plays file itself where a folder holds several dumps.
    aliases : {"resolved", "once", "none"}
        Replace a misspelt artist's id by the good one, that one's by its own good one, and so on
        ("resolved"); one step of this ("once"); or not at all. Plays that come together are added up.
    """
    if aliases not in ("resolved", "once", "none"):
        raise InputError(f"aliases must be 'resolved', 'once' or 'none', got {aliases!r}")
    plays = find_one(path, "*user_artist_data*.txt") if path.is_dir() else path
    if plays is None:
        raise InputError(f"{path}: an audioscrobbler folder has a file *user_artist_data*.txt")
    names_file, alias_file = (_sibling(plays, part) for part in ("artist_data", "artist_alias"))

    separator = "\t" if any("\t" in line for line in first_lines(plays, 1)) else " "
    (users, artists, counts), lines = read_columns(plays, Layout(("id", "id", "count"), separator))
    malformed = lines.report()
    aliased = 0
    if alias_file is not None and aliases != "none":
        (bad, good), alias_lines = read_columns(alias_file, Layout(("id", "id"), "\t"))
        malformed |= alias_lines.report()
        table = dict(zip(bad.tolist(), good.tolist(), strict=True))
        artists, aliased = _substitute(artists, resolve(table) if aliases == "resolved" else table)

    dataset = from_triples(users, artists, counts, name=plays.parent.resolve().name)
    names = None
    if names_file is not None:
        names, malformed_names = read_item_names(names_file, dataset.item_ids)
        malformed |= malformed_names
    provenance: dict[str, object] = {
        "format": "audioscrobbler",
        "files": [file.name for file in (plays, names_file, alias_file) if file is not None],
        "rows": lines.rows,
        "malformed": malformed,
        "aliases": aliases if alias_file is not None else "none",
        "aliased_rows": aliased,
        "licence": "CC BY-NC-SA 1.0",
    }
    return replace(dataset, item_names=names, provenance=provenance)


def resolve(table: dict[int, int]) -> dict[int, int]:
    """Follow every chain of aliases to its end; a cycle's members all become its smallest id."""
    ends: dict[int, int] = {}
    for start in table:
        path: list[int] = []
        position: dict[int, int] = {}
        here = start
        while here in table and here not in ends and here not in position:
            position[here] = len(path)
            path.append(here)
            here = table[here]
        end = min(path[position[here] :]) if here in position else ends.get(here, here)
        ends.update(dict.fromkeys(path, end))
    return ends


def _sibling(plays: Path, part: str) -> Path | None:
    """Return the dump's other file: a folder may hold the full dump and `_small` ones together."""
    before, _, after = plays.name.partition("user_artist_data")
    ending = after.removesuffix(".gz")
    for name in (f"{before}{part}{ending}", f"{before}{part}{ending}.gz"):
        if plays.with_name(name).is_file():
            return plays.with_name(name)
    return None


def _substitute(ids: NDArray[Any], table: dict[int, int]) -> tuple[NDArray[Any], int]:
    bad = np.array(sorted(table), dtype=np.int64)
    good = np.array([table[key] for key in bad.tolist()], dtype=np.int64)
    place = np.minimum(np.searchsorted(bad, ids), len(bad) - 1)
    substituted = np.where(bad[place] == ids, good[place], ids)
    return substituted, int(np.count_nonzero(substituted != ids))
