"""Parts of the reference's pages: the members of a class, and a link to the file that defines it.

The templates in `docs/_templates/autosummary` use both directives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from numpydoc.docscrape import ClassDoc
from sphinx.ext.autosummary import import_by_name
from sphinx.util.docutils import SphinxDirective

from site_parts.source_files import DOCS, PAGES, ROOT

REFERENCE = DOCS / "reference"
API = DOCS / "generated" / "api"
_AUTOSUMMARY = re.compile(r"^\.\. autosummary::\n((?: {3}.*\n|\n)+)", re.MULTILINE)
_NAME = re.compile(r"^ {3}(halfstep(?:\.\w+)+)$", re.MULTILINE)


class Members(SphinxDirective):
    """A class's methods and attributes: a table of each, and then all that is said of each method.

    What it inherits of this package's classes is there too. Of a class of `halfstep` itself the page has
    everything; on the page of another one, the table leads to what a parent's own page says.
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the tables and the methods."""
        name = self.arguments[0]
        cls = import_by_name(name)[1]
        places = dict(_places(name, cls))
        methods, properties = list(methods_of(cls)), list(properties_of(cls))
        of_attributes = attributes_of(cls)
        rows = {each: _summary(getattr(cls, each)) for each in properties}
        others = {k: " ".join(v) for k, v in of_attributes.items() if k not in rows}
        lines = [f".. written-in:: {name}", ""]
        lines += _table("Methods", places, {each: _summary(getattr(cls, each)) for each in methods})
        lines += _table("Attributes", places, rows | others)
        for kind, names in (("property", properties), ("method", methods)):
            for each in names:
                if places[each] == f"{name}.{each}":
                    lines += [f".. auto{kind}:: {name}.{each}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


class WrittenIn(SphinxDirective):
    """A link to the file that defines a class or a function, if the site has the file as a page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the link, or nothing."""
        obj = import_by_name(self.arguments[0])[1]
        file = Path(inspect.getsourcefile(inspect.unwrap(obj)) or "").resolve()
        if ROOT not in file.parents:
            return []
        path = file.relative_to(ROOT).as_posix()
        if not (PAGES / f"{path}.md").is_file():
            return []
        return self.parse_text_to_nodes(f"Defined in :doc:`{path} </generated/source/{path}>`.")


def methods_of(cls: type) -> Iterator[str]:
    """Yield the names of a class's public methods that this package defines, in their order."""
    for name, owner in _members(cls):
        found = vars(owner)[name]
        if inspect.isfunction(getattr(found, "__func__", found)):
            yield name


def properties_of(cls: type) -> Iterator[str]:
    """Yield the names of a class's public properties that this package defines, in their order."""
    for name, owner in _members(cls):
        if isinstance(vars(owner)[name], property):
            yield name


def attributes_of(cls: type) -> dict[str, list[str]]:
    """Return what the sections `Attributes` of a class and of its parents say of each name."""
    found: dict[str, list[str]] = {}
    for parent in cls.__mro__:
        if parent.__module__.startswith("halfstep") and "Attributes" in (parent.__doc__ or ""):
            for entry in ClassDoc(parent, config={"show_class_members": False})["Attributes"]:
                for name in entry.name.split(", "):
                    found.setdefault(name, entry.desc)
    return found


def _members(cls: type) -> Iterator[tuple[str, type]]:
    for name in sorted(dir(cls)):
        owner = next((parent for parent in cls.__mro__ if name in vars(parent)), object)
        if not name.startswith("_") and owner.__module__.startswith("halfstep"):
            yield name, owner


def _places(name: str, cls: type) -> Iterator[tuple[str, str]]:
    """Yield each member with the name by which a page documents it: the class's own, or a parent's."""
    listed = {} if name.count(".") == 1 else {import_by_name(n)[1]: n for n in names_listed()}
    for each, owner in _members(cls):
        above = [parent for parent in cls.__mro__[1:] if issubclass(parent, owner)]
        there = [listed[parent] for parent in above if parent in listed]
        own = owner is cls or not there
        yield each, f"{name if own else there[-1]}.{each}"


def _summary(member: Any) -> str:
    """Return the first paragraph of what is said of a member, on one line."""
    return " ".join((inspect.getdoc(member) or "").partition("\n\n")[0].split())


def _table(title: str, places: dict[str, str], said: dict[str, str]) -> Iterator[str]:
    """Yield a table of members with what each is."""
    if not said:
        return
    yield from (f".. rubric:: {title}", "", ".. list-table::", "   :class: members", "")
    for name in sorted(said, key=str.lower):
        yield (
            f"   * - :py:obj:`{name} <{places[name]}>`" if name in places else f"   * - ``{name}``"
        )
        yield f"     - {said[name]}"
    yield ""


@cache
def names_listed() -> set[str]:
    """Return the names that the reference's pages list, each of which has a page of its own."""
    texts = (page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    return {
        name
        for text in texts
        for body in _AUTOSUMMARY.findall(text)
        for name in _NAME.findall(body)
    }


def remove_old(_: Any) -> None:
    """Remove the pages of names that no page lists any more."""
    listed = names_listed()
    for page in API.glob("*.rst"):
        if page.stem not in listed:
            page.unlink()


def setup(app: Any) -> None:
    """Add the directives; old pages go before new ones are made."""
    app.add_directive("members", Members)
    app.add_directive("written-in", WrittenIn)
    app.connect("builder-inited", remove_old, priority=100)
