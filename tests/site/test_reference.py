"""The reference: every public name is on a page, says what it should, and its examples run."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import halfstep
import halfstep.errors
from halfstep.solvers import SOLVERS

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
PACKAGES = (
    *("halfstep", "halfstep.solvers", "halfstep.evaluation", "halfstep.datasets"),
    *("halfstep.recommender", "halfstep.distributed"),
)
_DOTTED = re.compile(r"\bhalfstep(?:\.\w+)+")


def public():
    """Every public name with its object, each object once; methods as `Class.method`."""
    found = {}
    for package in map(importlib.import_module, PACKAGES):
        found |= {f"{package.__name__}.{name}": getattr(package, name) for name in package.__all__}
    found |= {f"{c.__module__}.{c.__name__}": c for c in SOLVERS.values()}
    for name, value in vars(halfstep.errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            found[f"halfstep.errors.{name}"] = value
    once = {}
    for name, value in found.items():
        once.setdefault(id(value), (name, value))
    return dict(once.values())


def is_documented(value):
    return inspect.isclass(value) or inspect.isroutine(value)


def methods_of(cls):
    """The public methods and properties that classes of this package define, by name."""
    for name in dir(cls):
        owner = next((parent for parent in cls.__mro__ if name in vars(parent)), object)
        found = vars(owner).get(name)
        function = getattr(found, "__func__", found)
        if name.startswith("_") or not owner.__module__.startswith("halfstep"):
            continue
        if inspect.isfunction(function) or isinstance(found, property):
            yield name, owner, found


PUBLIC = public()
NAMES = [name for name, value in PUBLIC.items() if is_documented(value)]
METHODS = {
    f"{owner.__module__}.{owner.__qualname__}.{name}": found
    for value in PUBLIC.values()
    if inspect.isclass(value)
    for name, owner, found in methods_of(value)
}


def said_of(value):
    return inspect.getdoc(getattr(value, "__func__", value)) or ""


def names_on_pages():
    texts = [page.read_text(encoding="utf-8") for page in sorted(REFERENCE.glob("*.md"))]
    return {name for text in texts for name in _DOTTED.findall(text)}


def meant_by(dotted):
    """The object of a dotted name, or None if it is no name of an object."""
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


def test_every_public_name_is_on_a_page_of_the_reference():
    on_pages = names_on_pages()
    objects = [found for found in map(meant_by, on_pages) if found is not None]
    missing = [
        name
        for name, value in PUBLIC.items()
        if name not in on_pages and not any(value is found for found in objects)
    ]
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_a_class_or_function_has_related_names_and_an_example(name):
    said = said_of(PUBLIC[name])
    assert said
    headings = re.findall(r"^(.+)\n-{3,}$", said, re.MULTILINE)
    assert {"See Also", "Examples"} <= set(headings)
    assert ">>> " in said.partition("\nExamples\n")[2]


def test_every_public_method_says_what_it_does():
    assert [name for name, found in METHODS.items() if not said_of(found)] == []


def test_what_is_listed_as_related_exists():
    broken = []
    for name, value in {**{n: PUBLIC[n] for n in NAMES}, **METHODS}.items():
        _, _, related = said_of(value).partition("See Also\n--------\n")
        for listed in re.findall(r"^(halfstep[\w.]*)", related.partition("\n\n")[0], re.MULTILINE):
            if not is_there(listed):
                broken.append(f"{name}: no {listed}")
    assert broken == []


def is_there(dotted):
    """Whether a dotted name is a module's, or that of something in one, or of an attribute of it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for name in parts[length:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def with_examples():
    for name, value in {**{n: PUBLIC[n] for n in NAMES}, **METHODS}.items():
        if ">>> " in said_of(value):
            yield name


@pytest.mark.site
@pytest.mark.parametrize("name", list(with_examples()))
def test_the_examples_print_what_they_say(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for peer in ("implicit", "irspack"):
        if peer in name:
            pytest.importorskip(peer)
    value = PUBLIC.get(name, METHODS.get(name))
    value = getattr(value, "fget", None) or getattr(value, "__func__", value)
    (test,) = doctest.DocTestFinder(recurse=False).find(value, name, module=False, globs={})
    said = []
    failed = doctest.DocTestRunner().run(test, out=said.append).failed
    assert not failed, "".join(said)
