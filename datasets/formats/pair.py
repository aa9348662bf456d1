"""A text table, or a folder with a table to fit on and one to judge by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.formats.columnar import read_parquet
from halfstep.datasets.formats.held_out import with_test
from halfstep.datasets.formats.peek import head
from halfstep.datasets.formats.table import read_table
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.text.blocks import find_one
from halfstep.errors import InputError


def read_tables(path: Path, options: TableOptions | None = None) -> Dataset:
    """Read a file, or the `train.txt` and perhaps `test.txt` of a folder, or the only file in it."""
    options = options or TableOptions()
    if path.is_file() and head(path).startswith(b"PAR1"):
        return read_parquet(path, options)
    if not path.is_dir():
        return read_table(path, options)
    train, test = (find_one(path, f"{part}.txt") for part in ("train", "test"))
    if train is None:
        return read_table(only_file(path), options)
    dataset = replace(read_table(train, options), name=path.resolve().name)
    return dataset if test is None else with_test(dataset, read_table(test, options))


def only_file(folder: Path) -> Path:
    """Return the one file of a folder, apart from hidden ones and pages to read.

    Raises
    ------
    InputError
        There is none, or there are several.
    """
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file()
        and not path.name.startswith((".", "_"))
        and path.suffix.casefold() not in (".md", ".pdf", ".html")
        and not path.name.casefold().startswith(("readme", "license", "licence"))
    ]
    if len(files) == 1:
        return files[0]
    names = ", ".join(path.name for path in files[:10]) + (", ..." if len(files) > 10 else "")
    what = f"several files: {names}; name one of them" if files else "no file"
    raise InputError(f"{folder}: the folder has {what}")
