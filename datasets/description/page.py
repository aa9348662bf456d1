"""The description as one HTML page that contains its plots."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import Any

from halfstep.datasets.description.distributions import DISTRIBUTIONS, PERCENTILES
from halfstep.page_style import CSS

_HOW_TO_READ = {
    "plays per user": "Go up from a number of plays to the curve: this share of the users have at most "
    "so many plays. The curve is steep where many users are.",
    "artists per user": "Curiosity: how many different artists a user has played at least once.",
    "plays per artist": "Most artists are hardly played, and a few are played by everybody; only a "
    "logarithmic axis shows both.",
    "audience per artist": "An artist with one listener says nothing about anybody else's taste; "
    "a minimum audience leaves such artists out.",
}


def page(described: dict[str, Any], pngs: dict[str, bytes]) -> str:
    """Return the page for a description by `halfstep.datasets.description.summary.describe`."""
    now = described["prepared"]
    parts = [
        f"<h1>{escape(described['name'])}: what was played</h1>",
        f'<p class="lead">{now["users"]:,} users played {now["artists"]:,} artists '
        f"{now['plays']:,} times: {now['rows']:,} pairs of a user and an artist, "
        f"{100 * now['density']:.3g} % of all pairs there could be.</p>",
        "<h2>Before and after cleaning</h2>" if described["raw"] else "<h2>Sizes</h2>",
        _sizes(described),
        _cleaning(described),
        "<h2>Percentiles</h2>",
        "<p>Each column has the number that this percentage of users or artists do not exceed; the "
        "column 50 % has the median.</p>",
        _percentiles(described),
    ]
    for name in DISTRIBUTIONS:
        parts.append(_figure(pngs, f"{name.replace(' ', '-')}.png", name, _HOW_TO_READ[name]))
    parts += [
        "<h2>The long tail</h2>",
        _long_tail(described),
        _figure(
            pngs, "long-tail.png", "the most played artists' share of all plays",
            "Artists ordered from the most to the least played: the share of plays of the first ones "
            "together.",
        ),
        "<h2>At the top</h2>",
    ]  # fmt: skip
    titles = {
        "artists by plays": "Artists that are played most",
        "artists by audience": "Artists with the largest audience",
        "users by plays": "Users who play most",
        "users by curiosity": "The most curious users: those with the most different artists",
    }
    for key, title in titles.items():
        parts += [f"<h3>{title}</h3>", _records(described[key])]
    if described["licence"]:
        parts.append(f'<p class="quiet">Licence of the data: {escape(described["licence"])}</p>')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(described['name'])}: what was played</title>"
        f"<style>{CSS} figure img {{ width: 100%; height: auto; }} figure {{ max-width: 46rem; }}"
        f"</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _sizes(described: dict[str, Any]) -> str:
    raw, now = described["raw"], described["prepared"]
    rows = []
    for what in ("users", "artists", "rows", "plays"):
        change = f"{now[what] - raw[what]:+,}" if raw else ""
        rows.append([what, f"{raw[what]:,}" if raw else "", f"{now[what]:,}", change])
    density = f"{100 * raw['density']:.4g} %" if raw else ""
    rows.append(["density", density, f"{100 * now['density']:.4g} %", ""])
    if raw:
        return _table(["", "as read", "prepared", "difference"], rows)
    return _table(["", "number"], [[row[0], row[2]] for row in rows])


def _cleaning(described: dict[str, Any]) -> str:
    steps, bad = described["preparation"], described["malformed"] or {}
    notes = [
        f"bad rows of {escape(file)} left out: {escape(kind)}, {count:,}"
        for file, kinds in bad.items()
        for kind, count in sorted(kinds.items())
    ]
    if steps:
        notes.append(
            f"{steps['aliased_artists']:,} misspelt artists replaced (aliases "
            f"{escape(steps['aliases'])}); {steps['rows_merged']:,} rows added to another row of the "
            "same user and artist"
        )
        notes += [
            f"left out by request: {escape(one['filter'])}: {one['users']:,} users, "
            f"{one['artists']:,} artists, {one['rows']:,} rows, {one['plays']:,} plays"
            for one in steps.get("left_out", [])
        ]
    return f"<ul>{''.join(f'<li>{note}</li>' for note in notes)}</ul>" if notes else ""


def _percentiles(described: dict[str, Any]) -> str:
    rows = []
    for name in DISTRIBUTIONS:
        for kind, label in (("raw", "as read"), ("prepared", "prepared")):
            if described[kind]:
                values = described[kind]["distributions"][name]
                cells = [f"{values['percentiles'][f'{p:g}']:,}" for p in PERCENTILES]
                shown = name if kind == "prepared" and not described["raw"] else f"{name}, {label}"
                rows.append([shown, f"{values['mean']:,.1f}", *cells, f"{values['largest']:,}"])
    return _table(["", "mean", *(f"{p:g} %" for p in PERCENTILES), "largest"], rows)


def _long_tail(described: dict[str, Any]) -> str:
    kinds = [kind for kind in ("raw", "prepared") if described[kind]]
    rows = []
    for what in described["prepared"]["long tail"]:
        values = [described[kind]["long tail"][what] for kind in kinds]
        rows.append(
            [what, *(f"{v:,}" if isinstance(v, int) else f"{100 * v:.2f} %" for v in values)]
        )
    return _table(["", *("as read" if kind == "raw" else kind for kind in kinds)], rows)


def _figure(pngs: dict[str, bytes], file: str, title: str, how: str) -> str:
    if file not in pngs:
        return ""
    source = base64.b64encode(pngs[file]).decode()
    return (
        f"<figure><figcaption>{escape(title[0].upper() + title[1:])}"
        f'<span class="quiet">{escape(how)}</span></figcaption>'
        f'<img alt="{escape(title)}" src="data:image/png;base64,{source}"></figure>'
    )


def _records(records: list[dict[str, Any]]) -> str:
    if not records:
        return "<p>none</p>"
    numbers = [f"{place}" for place in range(1, len(records) + 1)]
    rows = [
        [number, *(f"{v:,}" if isinstance(v, int | float) else str(v) for v in record.values())]
        for number, record in zip(numbers, records, strict=True)
    ]
    texts = {"", *(name for name, value in records[0].items() if isinstance(value, str))}
    return _table(["", *records[0]], rows, texts)


def _table(heads: list[str], rows: Iterable[list[str]], texts: Iterable[str] = ("",)) -> str:
    left = [head in set(texts) for head in heads]

    def line(cells: list[str], tag: str) -> str:
        return "".join(
            f"<{tag}{'' if is_left else ' class=number'}>{escape(cell)}</{tag}>"
            for cell, is_left in zip(cells, left, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><tr>{line(heads, "th")}</tr>'
        f"{body}</table></div>"
    )  # fmt: skip
