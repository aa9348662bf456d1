"""The formats that can be read: what each is called, how it is told and who reads it.

To add a format, write its reader and give it one entry in `KNOWN`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from halfstep.datasets.audioscrobbler.files import is_archive
from halfstep.datasets.dataset import Dataset
from halfstep.datasets.formats.lightgcn import kind_of
from halfstep.datasets.formats.peek import lines
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.text.packed import packing_of
from halfstep.errors import InputError

_JSON = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\]{])")
Tell = Callable[[Path, bytes], bool]
# What may be said about data in any format.
_ANY = frozenset({"item_names"})
_ROWS = _ANY | {"negative", "duplicates"}
_COLUMNS = _ROWS | {
    *("user", "item", "value", "time", "name", "half_life", "allow_bad_lines"),
}
_TEXT = _COLUMNS | {"separator", "encoding", "header"}
_OPTIONS = {
    "user": "--user-column (in Python user=)",
    "item": "--item-column (item=)",
    "value": "--value-column (value=)",
    "time": "--time-column (time=)",
    "name": "--name-column (name=)",
    "separator": "--separator (separator=)",
    "encoding": "--encoding (encoding=)",
    "header": "--no-header (header=)",
    "negative": "--negative (negative=)",
    "duplicates": "--duplicates (duplicates=)",
    "allow_bad_lines": "--allow-bad-lines (allow_bad_lines=)",
    "item_names": "--item-names (item_names=)",
    "half_life": "--half-life (half_life=)",
}


@dataclass(frozen=True)
class Format:
    """One format.

    Parameters
    ----------
    description : str
        What `halfstep data` lists; for a format of folders, "folder with FILES".
    reader : str
        "module:function" below `halfstep.datasets`. The function takes a path, and the options after it
        if `heeds` names any that is about rows or columns.
    heeds : frozenset of str
        The fields of `TableOptions` that say something about it.
    mark : str
        The pattern of a file by which a folder is told; "" if a folder is never told so.
    tells : function
        Takes a file's path and its first bytes, unpacked, and returns whether it has this format.
    folders, packed : bool
        Whether a folder can be read, and whether a packed file can.
    """

    description: str
    reader: str
    heeds: frozenset[str]
    mark: str = ""
    tells: Tell = lambda path, start: False
    folders: bool = True
    packed: bool = True

    def read(self, name: str, path: Path, options: TableOptions) -> Dataset:
        """Read a file or folder that exists.

        Raises
        ------
        InputError
            `options` says something that has no meaning here, or the data cannot be read.
        """
        check_options(f"{name} data", self.heeds | {"half_life"}, options)
        if path.is_dir() and not self.folders:
            raise InputError(f"{path}: format {name} must be a file, got a folder")
        if not self.packed and path.is_file() and packing_of(path):
            raise InputError(
                f"{path}: {name} data in a packed file cannot be read; unpack it first"
            )
        module, _, function = self.reader.partition(":")
        reader: Any = attrgetter(function)(import_module(f"halfstep.datasets.{module}"))
        dataset: Dataset = reader(path, options) if self.heeds > _ANY else reader(path)
        if options.half_life is None or "half_life" in self.heeds:
            return dataset
        from halfstep.datasets.tables.recency import recent

        weighed: Dataset = recent(dataset, options.half_life)
        return weighed


def check_options(what: str, heeds: frozenset[str], options: TableOptions) -> None:
    """Raise InputError if `options` says something beyond `heeds`."""
    nothing = TableOptions()
    for field, option in _OPTIONS.items():
        if field not in heeds and getattr(options, field) != getattr(nothing, field):
            raise InputError(f"{option} has no meaning for {what}")


def _named(*patterns: str) -> Tell:
    def tells(path: Path, start: bytes) -> bool:
        name = path.name.casefold().removesuffix(".gz")
        return any(fnmatch(name, pattern) for pattern in patterns)

    return tells


def _starts(*magic: bytes, also: tuple[str, ...] = ()) -> Tell:
    by_name = _named(*also)
    return lambda path, start: start.startswith(magic) or by_name(path, start)


def _is_dump(path: Path, start: bytes) -> bool:
    return "user_artist_data" in path.name.casefold() or is_archive(path)


def _is_json(path: Path, start: bytes) -> bool:
    # An id in braces is no JSON object.
    return _JSON.match(start.removeprefix(b"\xef\xbb\xbf")) is not None


def _is_lists(path: Path, start: bytes) -> bool:
    if path.name.casefold().removesuffix(".gz").endswith((".csv", ".tsv", ".dat", ".data")):
        return False
    kind = kind_of(lines(start))
    if kind == "unclear" and path.name.startswith("train."):
        raise InputError(
            f"{path}: its lines may be a user and items, or a user, an item and a value; name the "
            f"format: 'lightgcn:{path}' or 'table:{path}'"
        )
    return kind == "lists"


KNOWN = {
    "audioscrobbler": Format(
        "folder or .tar.gz with *user_artist_data*.txt (*artist_data*.txt, *artist_alias*.txt)",
        "audioscrobbler.read:read_audioscrobbler",
        _ANY,
        mark="*user_artist_data*.txt*",
        tells=_is_dump,
    ),
    "hetrec": Format(
        "folder with user_artists.dat (artists.dat)",
        "formats.hetrec:read_hetrec",
        _ANY,
        mark="user_artists.dat*",
        tells=_named("user_artists.dat"),
    ),
    "ncf": Format(
        "folder with NAME.train.rating and NAME.test.rating (NAME.test.negative)",
        "formats.ncf:read_ncf",
        _ANY,
        mark="*.train.rating*",
        tells=_named("*.train.rating"),
    ),
    "npz": Format(
        "file .npz written by Dataset.save or scipy.sparse.save_npz",
        "dataset:Dataset.load_npz",
        _ANY,
        tells=_starts(b"\x93NUMPY", also=("*.npz",)),
        folders=False,
    ),
    "parquet": Format(
        "file, or folder of parts: user, item, perhaps a value, a time and a name",
        "formats.columnar:read_parquet",
        _COLUMNS,
        tells=_starts(b"PAR1", also=("*.parquet", "*.pq")),
        packed=False,
    ),
    "feather": Format(
        "file of Feather or Arrow, with columns as in Parquet",
        "formats.columnar:read_feather",
        _COLUMNS,
        tells=_starts(
            *(b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"), also=("*.feather", "*.arrow", "*.arrows")
        ),
        folders=False,
        packed=False,
    ),
    "mtx": Format(
        "file of Matrix Market, users x items",
        "formats.matrix_market:read_matrix_market",
        _ANY | {"negative"},
        tells=_starts(b"%%MatrixMarket"),
        folders=False,
    ),
    "json": Format(
        "file of JSON lines, one object a line, with keys as the columns in Parquet",
        "formats.json_lines:read_json_lines",
        _COLUMNS,
        tells=_is_json,
        folders=False,
    ),
    "lightgcn": Format(
        "folder with train.txt (test.txt) of lists, or a file: a user and the items, a user a line",
        "formats.lightgcn:read_lightgcn",
        _ANY,
        mark="train.txt*",
        tells=_is_lists,
    ),
    "table": Format(
        "text file with any separator, also packed; or folder with train.txt (test.txt) of such",
        "formats.pair:read_tables",
        _TEXT,
        tells=lambda path, start: True,
    ),
}
