"""Every link of the built site leads somewhere, and each page has what a reader's program needs."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from built import SITE, broken, page

pytestmark = pytest.mark.site
MOST_BYTES = 20_000_000


@pytest.fixture(scope="module", autouse=True)
def built():
    assert (SITE / "index.html").is_file(), "no site in build/site: make site builds it"


@pytest.fixture(scope="module")
def pages():
    return {str(file.relative_to(SITE)): page(file) for file in sorted(SITE.rglob("*.html"))}


def test_what_the_site_names_is_there():
    found = list(broken(SITE))
    assert not found, "\n".join(found[:50])


def test_the_site_is_small():
    # .doctrees is Sphinx's own, and no part of the site.
    files = [f for f in SITE.rglob("*") if f.is_file() and ".doctrees" not in f.parts]
    assert sum(file.stat().st_size for file in files) < MOST_BYTES


def test_each_page_has_a_title_a_language_and_one_first_heading(pages):
    wrong = [
        (name, one.title, one.lang, one.h1)
        for name, one in pages.items()
        if not one.title.strip() or not one.lang or one.h1 != 1
    ]
    assert wrong == []


def test_pictures_are_told_in_words(pages):
    assert [(name, *lacks) for name, one in pages.items() for lacks in one.without_words] == []


def test_no_page_has_a_name_twice(pages):
    twice = {
        name: [key for key, count in Counter(one.ids).items() if count > 1]
        for name, one in pages.items()
    }
    assert {name: keys for name, keys in twice.items() if keys} == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="b.html">', ""),
        ('<a href="b.html#%C3%BCber">', ""),
        ('<a href="#">', ""),
        ('<a href="https://example.org/x">', ""),
        ('<img src="data:image/png;base64,AA==">', ""),
        ('<a href="c.html">', "no such file"),
        ('<a href="b.html#none">', "no such anchor"),
        ('<a href="#none">', "no such anchor"),
        ('<a href="../x.html">', "leaves the folder"),
        ('<a href="mailto:a@example.org">', "leaves the site"),
        ('<a href="file:///etc/hosts">', "leaves the site"),
        ('<script src="https://example.org/x.js"></script>', "leaves the site"),
        ('<link href="//example.org/x.css">', "leaves the site"),
        ('<img srcset="b.html 1x, d.png 2x">', "no such file"),
        ('<svg><use href="#none"/></svg>', "no such anchor"),
        ('<style>p { background: url("d.png") }</style>', "no such file"),
        ("<style>@import 'https://example.org/x.css';</style>", "leaves the site"),
        ('<p style="background: url(d.png)">', "no such file"),
    ],
)
def test_a_wrong_link_is_found(tmp_path, body, said):
    (tmp_path / "a.html").write_text(f"<html><body>{body}", encoding="utf-8")
    (tmp_path / "b.html").write_text('<html><body><p id="über">', encoding="utf-8")
    found = list(broken(tmp_path))
    assert [one.rpartition(": ")[2] for one in found] == ([said] if said else [])
