"""`load` and `load_data`: choose the reader for a preset's name, a folder or a file.

The formats are in `formats.known`, one entry each.
"""

from __future__ import annotations

import sys
from pathlib import Path

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.formats.known import KNOWN, check_options
from halfstep.datasets.formats.lightgcn import kind_of
from halfstep.datasets.formats.peek import head, lines
from halfstep.datasets.tables.options import Column, Duplicates, Negative, TableOptions
from halfstep.errors import InputError
from halfstep.progress import stage
from halfstep.progress_task import size

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

FORMATS = {name: known.description for name, known in KNOWN.items()}


def load(source: str | Path, options: TableOptions | None = None) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    source : str or Path
        A name from `PRESETS`; a folder or a file, whose format is told by its content; or
        `"format:path"` with a name from `FORMATS`.
    options : TableOptions, optional
        What is known about the columns and rows of a table.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The source is absent, not recognised or unreadable, or an option has no meaning for it; the
        message is one line that names it.

    See Also
    --------
    halfstep.load_data : The same with the options as arguments.

    Examples
    --------
    >>> from halfstep.datasets import PRESETS, load
    >>> sorted(PRESETS)[:2]
    ['music-full', 'music-medium']
    >>> load("music-small")
    <Dataset 'music-small': 2,000 users x 4,000 items, 99,635 entries>
    """
    options = options or TableOptions()
    with stage(_doing(source)):
        dataset = _load(source, options)
        _give_back()
    if options.item_names is None:
        return dataset
    from halfstep.datasets.item_names import with_item_names

    return with_item_names(dataset, options.item_names)


def _give_back() -> None:
    """Let Arrow return the memory of what was read, which it keeps for what it may read next.

    Of a file of 24 million rows that was 760 MB, four times the data set, as long as the process ran.
    """
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()


def load_data(
    source: str | Path,
    *,
    user: Column | None = None,
    item: Column | None = None,
    value: Column | None = None,
    time: Column | None = None,
    name: Column | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    negative: Negative = "error",
    duplicates: Duplicates | None = None,
    allow_bad_lines: bool = False,
    item_names: str | Path | None = None,
    half_life: float | None = None,
) -> Dataset:
    r"""Load a data set from a preset, a folder or a file.

    What was taken from a table is in the result's `provenance["reading"]`.

    Parameters
    ----------
    source : str or Path
        As in `load`.
    user, item, value, time, name : str or int, optional
        A column's name, or its number from 1; one that is not given is found by known names.
    separator : str, optional
        The text between two fields of a line.
    encoding : str, optional
        Such as "cp1252"; by default it is found out.
    header : bool, optional
        Whether the first line names the columns; by default it is found out.
    negative : {"error", "drop", "keep"}
        What to do with rows whose value is below 0.
    duplicates : {"add", "last", "mean"}, optional
        What to make of several rows of one user and item; by default ratings are not added, the last
        one counts, and everything else is.
    allow_bad_lines : bool
        Read on, however many lines cannot be read.
    item_names : str or Path, optional
        A second table with the items' ids and names.
    half_life : float, optional
        Days after which a value counts half, as in `halfstep.datasets.tables.options.TableOptions`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        As in `load`.

    See Also
    --------
    halfstep.Dataset : What comes back; it has constructors for data in memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from halfstep import load_data
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "plays.csv"
    ...     _ = path.write_text("customer,article,plays\nann,x,3\nbob,x,1\nann,y,2\n")
    ...     load_data(path, user="customer", item="article")
    <Dataset 'plays': 2 users x 2 items, 3 entries>
    """
    options = TableOptions(
        user=user,
        item=item,
        value=value,
        time=time,
        name=name,
        separator=separator,
        encoding=encoding,
        header=header,
        negative=negative,
        duplicates=duplicates,
        allow_bad_lines=allow_bad_lines,
        item_names=None if item_names is None else Path(item_names),
        half_life=half_life,
    )
    return load(source, options)


def _load(source: str | Path, options: TableOptions) -> Dataset:
    if isinstance(source, str):
        if source in PRESETS:
            from halfstep.datasets.generated.presets import generate_preset

            check_options(f"the preset {source}", frozenset({"item_names"}), options)
            return generate_preset(source)
        prefix, colon, rest = source.partition(":")
        if colon and prefix in KNOWN:
            path = Path(rest)
            if not path.exists():
                raise InputError(f"{path}: no such file or folder")
            return KNOWN[prefix].read(prefix, path, options)
    if not isinstance(source, str | Path) or not str(source):
        raise InputError(f"source must be a preset, a folder or a file, got {source!r}")
    path = Path(source)
    if not path.exists():
        raise InputError(
            f"source must be one of {', '.join(PRESETS)}, or an existing folder or file, got '{source}'"
        )
    if path.is_dir():
        name, path = _of_folder(path)
    else:
        name = _of_file(path)
    return KNOWN[name].read(name, path, options)


def _doing(source: str | Path) -> str:
    """Return what the progress line says: "reading plays.csv (1.2 GB)"."""
    if isinstance(source, str) and source in PRESETS:
        return f"generating {source}"
    path = Path(str(source))
    try:
        if not path.exists():
            path = Path(str(source).partition(":")[2])
        files = [path] if path.is_file() else [one for one in path.iterdir() if one.is_file()]
        total = size(sum(file.stat().st_size for file in files))
        return f"reading {path.absolute().name} ({total})"
    except (OSError, ValueError):  # nothing is there, as the reader will say
        return f"reading {source}"


def _of_file(path: Path) -> str:
    start = head(path)
    return next(name for name, known in KNOWN.items() if known.tells(path, start))


def _of_folder(folder: Path) -> tuple[str, Path]:
    """Return (the format of a folder, what of it to read: itself, or the only file in it)."""
    from halfstep.datasets.formats.columnar import parquet_parts
    from halfstep.datasets.formats.pair import only_file

    found = {
        name: files
        for name, known in KNOWN.items()
        if known.mark and (files := _visible(folder, known.mark))
    }
    if len(found) > 1:
        first, *_ = found
        raise InputError(
            f"{folder}: holds {' and '.join(found)} files; name the format: '{first}:{folder}'"
        )
    if "lightgcn" in found:
        return _lists_or_tables(found["lightgcn"][0]), folder
    if found:
        return next(iter(found)), folder
    if [path for path in _visible(folder, "*") if KNOWN["audioscrobbler"].tells(path, b"")]:
        return "audioscrobbler", folder
    if parquet_parts(folder):
        return "parquet", folder
    try:
        only = only_file(folder)
    except InputError as error:
        known = "; ".join(
            f"{name}: {one.description.partition(' with ')[2]}"
            for name, one in KNOWN.items()
            if one.mark
        )
        raise InputError(
            f"{error}. A folder's format is told by its files: {known}; parquet: parts"
        ) from None
    return _of_file(only), only


def _lists_or_tables(train: Path) -> str:
    kind = kind_of(lines(head(train)))
    if kind == "unclear":
        folder = train.parent
        raise InputError(
            f"{train}: its lines may be a user and items, or a user, an item and a value; name the "
            f"format: 'lightgcn:{folder}' or 'table:{folder}'"
        )
    return "lightgcn" if kind == "lists" else "table"


def _visible(folder: Path, pattern: str) -> list[Path]:
    return [path for path in sorted(folder.glob(pattern)) if not path.name.startswith(".")]
