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
from sphinx.ext.autosummary import autosummary_toc, import_by_name
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from site_parts.source_files import DOCS, PAGES, ROOT

REFERENCE = DOCS / "reference"
API = DOCS / "generated" / "api"
_AUTOSUMMARY = re.compile(r"^\.\. autosummary::\n((?: {3}.*\n|\n)+)", re.MULTILINE)
_PARAMETERS = re.compile(r"<dl>\s*((?:<dd>(?:(?!</?d[dl]).)*</dd>\s*)+)</dl>", re.DOTALL)
_NAME = re.compile(r"^ {3}~?(halfstep(?:\.\w+)+)$", re.MULTILINE)


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
        rows = {each: _summary(getattr(cls, each)) for each in properties}
        lines = [f".. written-in:: {name}", ""]
        lines += _table("Methods", places, {each: _summary(getattr(cls, each)) for each in methods})
        lines += _table("Attributes", places, rows | attributes_of(cls))
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


def attributes_of(cls: type) -> dict[str, str]:
    """Return what the sections `Attributes` of a class's parents say of names, by these names together.

    Properties are left out, which say it themselves.
    """
    found: dict[str, str] = {}
    properties = set(properties_of(cls))
    for parent in cls.__mro__[1:]:
        if parent.__module__.startswith("halfstep") and "Attributes" in (parent.__doc__ or ""):
            for entry in ClassDoc(parent, config={"show_class_members": False})["Attributes"]:
                if not properties >= set(entry.name.split(", ")):
                    found.setdefault(entry.name, " ".join(entry.desc))
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
    yield from (f".. rubric:: {title}", "", ".. list-table::")
    yield from ("   :class: members", "   :widths: auto", "")
    for names in sorted(said, key=str.lower):
        links = [
            f":py:obj:`{name} <{places[name]}>`" if name in places else f"``{name}``"
            for name in names.split(", ")
        ]
        yield f"   * - {', '.join(links)}"
        yield f"     - {said[names]}"
    yield ""


def in_backticks(
    name: str,
    rawtext: str,
    text: str,
    lineno: int,
    inliner: Any,
    options: Any = None,
    content: Any = (),
) -> tuple[list[nodes.Node], list[Any]]:
    """Make what a docstring has in single backticks a link if it may be a name, and code otherwise."""
    if not re.fullmatch(r"[A-Za-z_][\w.]*", text):
        return [nodes.literal(rawtext, text)], []
    role = inliner.document.settings.env.get_domain("py").role("obj")
    found: tuple[list[nodes.Node], list[Any]] = role(
        name, rawtext, text, lineno, inliner, options or {}, content
    )
    return found


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


def plain_signature(
    _app: Any, what: str, _name: str, obj: Any, _options: Any, _given: str | None, _returns: Any
) -> tuple[str, str] | None:
    """Return a signature with the types as the source writes them, where Python would spell them out."""
    if what not in ("class", "function", "method"):
        return None
    try:
        signature = inspect.signature(obj)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    if what == "method" and parameters and parameters[0].name in ("self", "model"):
        parameters = parameters[1:]
    returns = signature.return_annotation
    bare = signature.replace(
        parameters=[
            each.replace(annotation=_written(each.annotation), default=_bare(each.default))
            for each in parameters
        ],
        return_annotation=signature.empty,
    )
    return str(bare), "" if what == "class" or returns is signature.empty else str(returns)


class _Bare(str):
    """A text that is written without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _written(annotation: Any) -> Any:
    """Return an annotation, which is a string already, as it is to be written."""
    return _Bare(annotation) if isinstance(annotation, str) else annotation


def _bare(value: Any) -> Any:
    """Return a default as it is to be written: a class by its name."""
    if value is inspect.Parameter.empty:
        return value
    return _Bare(value.__name__) if inspect.isclass(value) else value


def remove_old(_: Any) -> None:
    """Remove the pages of names that no page lists any more."""
    listed = names_listed()
    for page in API.glob("*.rst"):
        if page.stem not in listed:
            page.unlink()


class NoTree(SphinxTransform):
    """Keeps the reference's pages out of the sidebar, which every page would repeat with all names."""

    default_priority = 300

    def apply(self, **kwargs: Any) -> None:
        """Remove the trees that tables of names bring along."""
        for node in list(self.document.findall(autosummary_toc)):
            node.parent.remove(node)


def parameters_as_list(_: Any, name: str, template: str, context: dict[str, Any], __: Any) -> None:
    """Let a long signature be a list: Sphinx writes definitions without terms, which is no HTML."""
    if "sig-param" in context.get("body", ""):
        context["body"] = _PARAMETERS.sub(
            lambda match: (
                '<ul class="parameters">'
                + match[1].replace("<dd>", "<li>").replace("</dd>", "</li>")
                + "</ul>"
            ),
            context["body"],
        )


def setup(app: Any) -> None:
    """Add the directives; old pages go before new ones are made."""
    app.add_directive("members", Members)
    app.add_directive("written-in", WrittenIn)
    app.add_transform(NoTree)
    app.connect("html-page-context", parameters_as_list)
    app.add_role("backticks", in_backticks)
    app.connect("autodoc-process-signature", plain_signature)
    app.connect("builder-inited", remove_old, priority=100)
