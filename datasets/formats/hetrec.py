"""HetRec 2011 Last.fm 2K: `user_artists.dat` (listening counts) and `artists.dat` (names)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.text.blocks import find_one
from halfstep.datasets.text.columns import read_columns
from halfstep.datasets.text.line import Layout
from halfstep.datasets.text.names import read_item_names
from halfstep.datasets.triples import from_triples
from halfstep.errors import InputError


def read_hetrec(path: Path) -> Dataset:
    """Read the folder `path`; `artists.dat` may be absent."""
    plays = find_one(path, "user_artists.dat") if path.is_dir() else path
    if plays is None:
        raise InputError(f"{path}: a hetrec folder must have a file user_artists.dat")
    artists = find_one(plays.parent, "artists.dat")
    layout = Layout(("id", "id", "count"), "\t", header=True)
    (users, items, counts), lines = read_columns(plays, layout)
    malformed = lines.report()
    dataset = from_triples(users, items, counts, name=plays.parent.resolve().name)
    names = None
    if artists is not None:
        names, malformed_names = read_item_names(artists, dataset.item_ids, fields=4, header=True)
        malformed |= malformed_names
    provenance: dict[str, object] = {
        "format": "hetrec",
        "files": [file.name for file in (plays, artists) if file is not None],
        "rows": lines.rows,
        "malformed": malformed,
        "licence": "non-commercial use (GroupLens, HetRec 2011)",
    }
    return replace(dataset, item_names=names, provenance=provenance)
