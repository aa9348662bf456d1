"""Arguments that a docstring leaves to another class's are told in full on the page of the reference."""

from __future__ import annotations

import inspect
import re
from typing import Any

from numpydoc.docscrape import NumpyDocString
from sphinx.ext.autosummary import import_by_name

_SEE = re.compile(r"`(halfstep[\w.]+)`")
_INDENT = "    "


def told_in_full(_: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put in place of "See `halfstep.Solver`" what that class's docstring says of these arguments."""
    if what != "class" or "Parameters" not in lines:
        return
    first = lines.index("Parameters") + 2
    last = next(
        (at - 1 for at in range(first, len(lines)) if lines[at].startswith("---")), len(lines)
    )
    told: list[str] = []
    for names, said in _entries(lines[first:last]):
        text = " ".join(said)
        classes = _SEE.findall(text) if "see `" in text.lower() else []
        told += _of(classes, names) or [", ".join(names), *(_INDENT + line for line in said)]
    lines[first:last] = [*told, ""]


def _of(classes: list[str], names: list[str]) -> list[str]:
    """Return the entries about `names` of the classes' docstrings; none unless all are found."""
    found: dict[str, list[str]] = {}
    for dotted in classes:
        obj = import_by_name(dotted)[1]
        if not inspect.isclass(obj):
            continue
        for parameter in NumpyDocString(inspect.getdoc(obj) or "")["Parameters"]:
            own = [one.strip() for one in parameter.name.split(",")]
            wanted = [one for one in own if one in names]
            if wanted:
                body = [_INDENT + line for line in parameter.desc]
                found[", ".join(wanted)] = [", ".join(wanted), *body]
    known = {one for group in found for one in group.split(", ")}
    if known != set(names):
        return []
    order = sorted(found, key=lambda group: names.index(group.split(", ")[0]))
    return [line for group in order for line in found[group]]


def _entries(lines: list[str]) -> list[tuple[list[str], list[str]]]:
    """Return the names and the text of each entry of a section."""
    entries: list[tuple[list[str], list[str]]] = []
    for line in lines:
        if line and not line.startswith(" "):
            entries.append(([one.strip() for one in line.split(",")], []))
        elif entries:
            entries[-1][1].append(line.removeprefix(_INDENT))
    return entries


def setup(app: Any) -> None:
    """Do so before numpydoc reads the docstrings."""
    app.connect("autodoc-process-docstring", told_in_full, priority=100)
