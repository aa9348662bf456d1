"""Version, citation and changelog say the same."""

import re
from pathlib import Path

import yaml

from halfstep.version import __version__

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_one():
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.*)"$', pyproject, re.MULTILINE)[1] == __version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)


def test_the_changelog_has_the_version_or_says_that_it_is_not_released():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", text, re.MULTILINE)
    assert heads[0][0] == "Unreleased"
    released = [name for name, day in heads[1:] if day]
    assert [name for name, _ in heads[1:]] == released, "a released version has its date"
    assert __version__ in released or f"first release, {__version__}" in text


def test_kinds_of_changes_are_those_of_keep_a_changelog():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert kinds
