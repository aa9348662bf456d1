"""The built site as its checks read it: what each page holds and leads to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build" / "site"
_URL = re.compile(r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)""")
_IMPORT = re.compile(r"""@import\s+["']([^"']*)["']""")
# An attribute that names something else: of every element that has it.
_LEADING = ("href", "src", "poster", "data", "action", "xlink:href")


@dataclass
class Page(HTMLParser):
    """What a page holds, by the line where it stands."""

    file: Path
    ids: list[str] = field(default_factory=list)
    leads: list[tuple[int, str, str]] = field(default_factory=list)
    without_words: list[tuple[int, str]] = field(default_factory=list)
    lang: str = ""
    title: str = ""
    h1: int = 0

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._within: list[str] = []
        self._style = ""
        self._svg = False
        self.feed(self.file.read_text(encoding="utf-8"))
        self.close()
        self.leads += [(0, "style", url) for url in urls_of_css(self._style)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        line = self.getpos()[0]
        if "id" in given:
            self.ids.append(given["id"])
        self.leads += [(line, tag, given[name]) for name in _LEADING if name in given]
        for part in given.get("srcset", "").split(","):
            self.leads += [(line, tag, part.split()[0])] if part.strip() else []
        self.leads += [(line, "style", url) for url in urls_of_css(given.get("style", ""))]
        if tag == "html":
            self.lang = given.get("lang", "")
        self.h1 += tag == "h1"
        self._svg |= tag == "svg"
        self._within = [tag] if tag in ("title", "style") else []
        if tag == "img" and "alt" not in given:
            self.without_words.append((line, f"img {given.get('src')}"))
        if tag == "svg" and given.get("role") == "img" and not given.get("aria-label", "").strip():
            self.without_words.append((line, "svg"))

    def handle_endtag(self, tag: str) -> None:
        self._within = []

    def handle_data(self, data: str) -> None:
        if self._within == ["title"] and not self._svg:
            self.title += data
        elif self._within == ["style"]:
            self._style += data


def urls_of_css(text: str) -> list[str]:
    """Return what a style sheet names."""
    return [one for found in _URL.findall(text) for one in found if one] + _IMPORT.findall(text)


@cache
def page(file: Path) -> Page:
    """Return a page, read once."""
    return Page(file)


@cache
def names(file: Path) -> frozenset[str]:
    """Return the anchors of a page."""
    return frozenset(page(file).ids)


def broken(site: Path) -> Iterator[str]:
    """Yield each thing that a page or a style sheet names and that is not there, or not of the site."""
    for file in sorted(site.rglob("*.html")):
        for line, tag, url in page(file).leads:
            if said := _wrong(site, file, tag, url):
                yield f"{file.relative_to(site)}:{line}: <{tag}> {url[:200]}: {said}"
    for file in sorted(site.rglob("*.css")):
        for url in urls_of_css(file.read_text(encoding="utf-8")):
            if said := _wrong(site, file, "style", url):
                yield f"{file.relative_to(site)}: {url[:200]}: {said}"


@cache
def _place(folder: Path, path: str) -> Path:
    return Path(os.path.normpath(folder / unquote(path)))


@cache
def _is_there(file: Path) -> bool:
    return file.is_file()


def _wrong(site: Path, file: Path, tag: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "data" and tag in ("img", "style", "image"):
        return ""
    if parts.scheme or parts.netloc:
        return "" if tag == "a" and parts.scheme in ("http", "https") else "leaves the site"
    there = _place(file.parent, parts.path) if parts.path else file
    if site not in there.parents:
        return "leaves the folder"
    if not _is_there(there):
        return "no such file"
    anchor = unquote(parts.fragment)
    if not anchor or tag == "style" or there.suffix != ".html":
        return ""
    return "" if anchor in names(there) else "no such anchor"
