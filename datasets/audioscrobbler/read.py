"""Read the Audioscrobbler dump of 6 May 2005: plays, artist names, and a table of misspelt artists."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.datasets.audioscrobbler.aliases import (
    Policy,
    account,
    check_policy,
    good_ids,
    resolve,
)
from halfstep.datasets.audioscrobbler.content import read_dump
from halfstep.datasets.audioscrobbler.files import Advance, find_dump
from halfstep.datasets.audioscrobbler.filters import Filters, apply
from halfstep.datasets.dataset import Dataset
from halfstep.datasets.description.distributions import Distributions
from halfstep.datasets.text.bad_lines import BadLine
from halfstep.datasets.text.numbering import count_matrix, number

__all__ = ["read_audioscrobbler", "resolve"]

TOP = 25


def read_audioscrobbler(
    path: Path,
    *,
    aliases: Policy = "resolved",
    filters: Filters | None = None,
    listing: list[BadLine] | None = None,
    advance: Advance = lambda count: None,
) -> Dataset:
    """Read `user_artist_data*.txt` with `artist_data*.txt` and `artist_alias*.txt` where they exist.

    Parameters
    ----------
    path : Path
        The folder, an archive (`.tar.gz`, `.tar`), or the plays file itself where a folder holds
        several dumps. Each file may be packed (`.gz`).
    aliases : {"resolved", "once", "none"}
        How to replace a misspelt artist's id by its good id: "resolved" follows the alias table until
        the id is not misspelt, "once" takes one step, "none" replaces nothing. Rows that then have the
        same user and artist are added up in int64.
    filters : Filters, optional
        What to leave out after the aliases; nothing if not given.
    listing : list, optional
        Every malformed line is appended to it.
    advance : callable
        Called with each number of bytes read from disk, before unpacking.

    Returns
    -------
    Dataset
        `provenance` has the malformed lines, what aliases and filters did ("preparation"), and the plays
        before aliases and filters ("raw", see `halfstep.datasets.description.distributions`).

    Raises
    ------
    InputError
        A file is absent or cannot be read, or the filters leave nothing.

    See Also
    --------
    halfstep.datasets.generate_dump : Writes a dump of the same form.
    halfstep.load_data : Reads it too, with "audioscrobbler:" before the path.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from halfstep.datasets import Filters, generate_dump, read_audioscrobbler
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = generate_dump(Path(folder), 5_000)
    ...     plays = read_audioscrobbler(Path(folder), filters=Filters(pseudo_artists=True))
    >>> plays.provenance["format"], plays.provenance["aliases"]
    ('audioscrobbler', 'resolved')
    """
    check_policy(aliases)
    files = read_dump(find_dump(path), aliases != "none", listing, advance)
    users, user_ids = number(files.plays[0])
    artists, raw_ids = number(files.plays[1])
    counts = files.plays[2]
    files.plays.clear()
    raw = Distributions.of_triples(users, artists, counts, (len(user_ids), len(raw_ids)))
    table = {} if files.table is None else files.table
    # Aliases are looked up for the distinct ids, of which there are far fewer than rows.
    good, item_ids = number(good_ids(raw_ids, table, aliases))
    moved = item_ids[good] != raw_ids
    matrix = count_matrix(users, good[artists], counts, (len(user_ids), len(item_ids)))
    preparation: dict[str, Any] = {
        "aliases": "none" if files.table is None else aliases,
        "alias_table": asdict(account(table)),
        "aliased_artists": int(moved.sum()),
        "aliased_rows": int(raw.audience_per_artist[moved].sum()),
        "rows_merged": len(users) - int(matrix.nnz),
    }
    del users, artists, counts
    if filters is not None and filters.any:
        matrix, kept_users, kept_items, left_out = apply(filters, matrix, item_ids)
        user_ids, item_ids = user_ids[kept_users], item_ids[kept_items]
        preparation |= {"filters": asdict(filters), "left_out": [asdict(one) for one in left_out]}
    top = np.argsort(-raw.plays_per_artist, kind="stable")[:TOP]
    names, top_names = files.names(item_ids, raw_ids[top])
    top_artists = {
        "id": raw_ids[top].tolist(),
        "name": top_names,
        "plays": raw.plays_per_artist[top].tolist(),
        "audience": raw.audience_per_artist[top].tolist(),
    }
    return Dataset(
        files.name,
        matrix,
        user_ids,
        item_ids,
        item_names=names,
        provenance={
            "format": "audioscrobbler",
            "files": files.used,
            "rows": files.rows,
            "malformed": files.malformed,
            "aliases": preparation["aliases"],
            "aliased_rows": preparation["aliased_rows"],
            "licence": "CC BY-NC-SA 1.0",
            "preparation": preparation,
            "raw": {**raw.summary(), "top artists": top_artists},
        },
    )
