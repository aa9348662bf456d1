"""Sections of Markdown pages that commands write, each between two markers that have its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from halfstep.errors import InputError
from halfstep.files import whole_file


def markers(name: str) -> tuple[str, str]:
    """Return what a section stands between."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def rewrite_sections(
    page: str | Path, sections: Mapping[str, Callable[[], str]], *, some: bool = False
) -> None:
    """Write the sections of a page anew; the rest stays.

    Parameters
    ----------
    sections
        A function for each name, which is called when the page is known to have its place.
    some
        Whether the page may lack some of them, as long as it has one.

    Raises
    ------
    InputError
        The page cannot be read, or a section's markers are not there once each; it is then unchanged.
    """
    path = Path(page)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    names = list(sections)
    if some:
        names = [name for name in names if any(mark in text for mark in markers(name))] or names[
            -1:
        ]
    for name in names:
        begin, end = markers(name)
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise InputError(f"{path}: must hold {begin} and then {end}, once each")
    for name in names:
        begin, end = markers(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{sections[name]()}\n\n{end}{rest.split(end)[1]}"
    with whole_file(path) as file:
        file.write(text.encode())
