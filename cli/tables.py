"""The options that say how a table is to be read, which every command with `--data` has.

`takes_tables` adds them to a command; `read` reads the data and prints what was taken from it.
"""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

import typer

from halfstep.datasets.tables.options import TableOptions
from halfstep.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from halfstep.datasets.dataset import Dataset

Command = TypeVar("Command", bound=Callable[..., None])
_PANEL = "Columns and rows of a table"


# For each field of TableOptions: the type, the option and its help.
_OPTIONS: dict[str, tuple[Any, str, str]] = {
    "user": (str | None, "--user-column", "The users' column: its name, or its number."),
    "item": (str | None, "--item-column", "The items' column."),
    "value": (str | None, "--value-column", "The values' column: plays, ratings."),
    "time": (str | None, "--time-column", "The column of times."),
    "name": (str | None, "--name-column", "The column of the items' names."),
    "item_names": (Path | None, "--item-names", "A second table: items' ids and names."),
    "separator": (str | None, "--separator", r"Between two fields: ',', ';', '\t', '::'."),
    "encoding": (str | None, "--encoding", "Such as utf-8 or cp1252."),
    "header": (bool, "--no-header", "The first line holds values, not names."),
    "negative": (str, "--negative", "Rows with values below 0: error, drop or keep."),
    "duplicates": (
        str | None,
        "--duplicates",
        "Several rows of one user and item: add, last or mean; if not given, plays are added, "
        "and of ratings the last one counts.",
    ),
    "half_life": (
        float | None,
        "--half-life",
        "Halve a value for each so many days before the last time.",
    ),
    "allow_bad_lines": (
        bool,
        "--allow-bad-lines",
        "Read on, however many lines cannot be read.",
    ),
}
_NO_HEADER = "no_header"


def takes_tables(command: Command) -> Command:
    """Give a command these options; it gets them as one argument, `table`.

    Typer reads a command's options from its signature: here they stand in place of `table`.
    `--confidence explicit` says that the values are ratings.
    """

    @functools.wraps(command)
    def with_table(**arguments: Any) -> None:
        given = {name: arguments.pop(_argument(name)) for name in _OPTIONS}
        ratings = arguments.get("confidence") == "explicit"
        if given["half_life"] is not None and arguments.get("min_value") is not None:
            raise InputError(
                "--min-value judges the values of the data, which --half-life changes: give one of them"
            )
        command(**arguments, table=table_options(ratings=ratings, **given))

    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.name != "table"]
    added = [
        inspect.Parameter(
            _argument(name),
            inspect.Parameter.KEYWORD_ONLY,
            default=False if kind is bool else "error" if name == "negative" else None,
            annotation=Annotated[kind, typer.Option(option, help=about, rich_help_panel=_PANEL)],
        )
        for name, (kind, option, about) in _OPTIONS.items()
    ]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    with_table.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    with_table.__annotations__ = {p.name: p.annotation for p in [*own, *added]}
    return cast("Command", with_table)


def table_options(**given: Any) -> TableOptions:
    """Return the options of a command line, where the header's is reversed."""
    given["header"] = False if given["header"] else None
    if given["separator"] is not None:
        given["separator"] = given["separator"].replace("\\t", "\t")
    try:
        return TableOptions(**given)
    except InputError as error:
        name, _, rest = str(error).partition(" ")
        name = name.removesuffix(":")
        raise InputError(f"{option_of(name)} {rest}" if name in _OPTIONS else str(error)) from None


def option_of(name: str) -> str:
    """Return the command line's option for a field of `TableOptions`."""
    return _OPTIONS[name][1]


def words(table: TableOptions) -> str:
    """Return the options of a command line that say what `table` says, with a blank before them."""
    said: list[str] = []
    for option in fields(table):
        value = getattr(table, option.name)
        if option.name in _OPTIONS and value != option.default:
            said.append(option_of(option.name))
            if not isinstance(value, bool):
                said.append(str(value).replace("\t", "\\t"))
    return "".join(f" {word}" for word in map(shlex.quote, said))


def read(console: Console, source: str, table: TableOptions) -> Dataset:
    """Read a data set, and print what was taken from it."""
    from halfstep import datasets
    from halfstep.cli.show_reading import reading

    data = datasets.load(source, table)
    reading(console, data)
    return data


def _argument(name: str) -> str:
    """Return the name of a command's argument: without a clash with `--user` of recommend and so on."""
    if name == "header":
        return _NO_HEADER
    return f"{name}_column" if name in ("user", "item", "value", "time", "name") else name
