"""`load`: choose the reader for a preset's name, a folder or a file.

To add a format, write its reader in `formats/` and enter it three times here: its description in
`FORMATS`, a line in `_read` that calls the reader, and how `load` recognises it. A folder is recognised
by a file pattern in `_MARKS` (its description must then read "folder with FILES"), a file by its name in
`_file_format`.
"""

from __future__ import annotations

from pathlib import Path

from halfstep.datasets.audioscrobbler.files import is_archive
from halfstep.datasets.dataset import Dataset
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError

PRESETS = {
    "music-small": "generated play counts: 100,000 entries, 2,000 users x 4,000 artists",
    "music-medium": "generated play counts: 5,000,000 entries, 49,452 users x 20,684 artists",
    "music-full": (
        "generated play counts: 24,100,000 entries, 148,111 users x 1,568,126 artists, "
        "the shape of the Audioscrobbler dump (needs about 1 GB)"
    ),
    "plays-small": (
        "generated play counts with a heavy tail: 100,000 entries, 2,000 users x 4,000 artists"
    ),
    "plays-medium": (
        "generated play counts with a heavy tail: 5,000,000 entries, 49,452 users x 20,684 artists"
    ),
}

FORMATS = {
    "audioscrobbler": (
        "folder or .tar.gz with *user_artist_data*.txt (*artist_data*.txt, *artist_alias*.txt)"
    ),
    "hetrec": "folder with user_artists.dat (artists.dat)",
    "ncf": "folder with NAME.train.rating and NAME.test.rating (NAME.test.negative)",
    "lightgcn": "folder with train.txt (test.txt)",
    "table": "file .csv .tsv .txt .data .dat, also .gz, or .parquet: user, item, perhaps a value",
    "npz": "file .npz written by Dataset.save or scipy.sparse.save_npz",
}

_MARKS = {
    "audioscrobbler": "*user_artist_data*.txt*",
    "hetrec": "user_artists.dat*",
    "ncf": "*.train.rating*",
    "lightgcn": "train.txt*",
}
_TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".data", ".dat")


def load(source: str | Path, options: TableOptions = AS_FOUND) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    source : str or Path
        A name from `PRESETS`; a folder, whose format is recognised by its files; a file; or
        `"format:path"` with a name from `FORMATS`.

    Raises
    ------
    InputError
        The source is absent, not recognised or unreadable; the message is one line that names it.
    """
    if isinstance(source, str):
        if source in PRESETS:
            from halfstep.datasets.generated.presets import generate_preset

            return generate_preset(source)
        prefix, colon, rest = source.partition(":")
        if colon and prefix in FORMATS:
            return _read(prefix, Path(rest))
    if not isinstance(source, str | Path) or not str(source):
        raise InputError(f"source must be a preset, a folder or a file, got {source!r}")
    path = Path(source)
    if path.is_dir():
        return _read(_folder_format(path), path)
    if not path.exists():
        raise InputError(
            f"source must be one of {', '.join(PRESETS)}, or an existing folder or file, got '{source}'"
        )
    return _read(_file_format(path), path)


def _read(name: str, path: Path) -> Dataset:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if name in ("npz", "table") and path.is_dir():
        raise InputError(f"{path}: format {name} must be a file, got a folder")
    if name == "npz":
        return Dataset.load_npz(path)
    if name == "audioscrobbler":
        from halfstep.datasets.audioscrobbler.read import read_audioscrobbler

        return read_audioscrobbler(path)
    if name == "hetrec":
        from halfstep.datasets.formats.hetrec import read_hetrec

        return read_hetrec(path)
    if name == "ncf":
        from halfstep.datasets.formats.ncf import read_ncf

        return read_ncf(path)
    if name == "lightgcn":
        from halfstep.datasets.formats.lightgcn import read_lightgcn

        return read_lightgcn(path)
    from halfstep.datasets.formats.table import read_table

    return read_table(path)


def _folder_format(folder: Path) -> str:
    found = [
        name
        for name, mark in _MARKS.items()
        if any(not path.name.startswith(".") for path in folder.glob(mark))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{folder}: holds {' and '.join(found)} files; name the format: '{found[0]}:{folder}'"
        )
    if [path.name for path in folder.glob("[!.]*") if is_archive(path)]:
        return "audioscrobbler"
    known = "; ".join(f"{name}: {FORMATS[name].partition(' with ')[2]}" for name in _MARKS)
    raise InputError(f"{folder}: its files show no known format; the formats are {known}")


def _file_format(path: Path) -> str:
    name = path.name.casefold()
    if name.endswith(".npz"):
        return "npz"
    if "user_artist_data" in name or is_archive(path):
        return "audioscrobbler"
    if name.removesuffix(".gz") == "user_artists.dat":
        return "hetrec"
    if name.removesuffix(".gz").endswith(".train.rating"):
        return "ncf"
    if name.endswith(".parquet") or name.removesuffix(".gz").endswith(_TABLE_ENDINGS):
        return "table"
    raise InputError(
        f"{path}: a file must end in .npz, .parquet or {' '.join(_TABLE_ENDINGS)} (also .gz); "
        f"to force a format: 'table:{path}'"
    )
