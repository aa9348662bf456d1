"""The description as one HTML page that contains its plots."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from halfstep.datasets.description.distributions import DISTRIBUTIONS, PERCENTILES
from halfstep.datasets.description.words import Words, shown
from halfstep.page_style import whole_page
from halfstep.pictures import svg_element

_TABLES = ("artists by plays", "artists by audience", "users by plays", "users by curiosity")


def page(described: dict[str, Any], plots: dict[str, bytes]) -> str:
    """Return the page for a description by `halfstep.datasets.description.summary.describe`.

    `plots` are those of `halfstep.datasets.description.plots.draw_plots`; a plot that lacks is left out.
    """
    words = Words(described["item"])
    now = described["prepared"]
    title = f"{described['name']}: {words('what')}"
    lead = words("lead", users=now["users"], count=now["artists"], plays=shown(now["plays"]))
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{lead}: {now["rows"]:,} pairs of a user and {words("pair")}, '
        f"{100 * now['density']:.3g} % of all pairs there could be.</p>",
        _times(described["times"]),
        "<h2>Before and after cleaning</h2>" if described["raw"] else "<h2>Sizes</h2>",
        _sizes(described, words),
        _cleaning(described, words),
        "<h2>Percentiles</h2>",
        f"<p>Each column has the number that this percentage of users or {words('artists')} do not "
        "exceed; the column 50 % has the median.</p>",
        _percentiles(described, words),
    ]
    for name in DISTRIBUTIONS:
        file = f"{name.replace(' ', '-')}.svg"
        parts.append(_figure(plots, file, words(name), words(f"how {name}")))
    parts += [
        "<h2>The long tail</h2>",
        _long_tail(described, words),
        _figure(plots, "long-tail.svg", words("title of tail"), words("how tail")),
        "<h2>At the top</h2>",
    ]
    for key in _TABLES:
        parts += [f"<h3>{words(key)}</h3>", _records(described[key], words)]
    if described["licence"]:
        parts.append(f'<p class="quiet">Licence of the data: {escape(described["licence"])}</p>')
    return whole_page(title, "".join(parts))


def _times(times: dict[str, Any] | None) -> str:
    if times is None:
        return ""
    if times["first"] is None:
        return "<p>No entry has a time.</p>"
    share = times["without"]
    without = (
        "every entry has a time" if not share else f"{100 * share:.3g} % of the entries have none"
    )
    return (
        f"<p>The first time is {escape(times['first'])}, the last {escape(times['last'])} (UTC); "
        f"{without}.</p>"
    )


def _sizes(described: dict[str, Any], words: Words) -> str:
    raw, now = described["raw"], described["prepared"]
    rows = []
    for what in ("users", "artists", "rows", "plays"):
        change = f"{now[what] - raw[what]:+,}" if raw else ""
        rows.append([words(what), shown(raw[what]) if raw else "", shown(now[what]), change])
    density = f"{100 * raw['density']:.4g} %" if raw else ""
    rows.append(["density", density, f"{100 * now['density']:.4g} %", ""])
    if raw:
        return _table(["", "as read", "prepared", "difference"], rows)
    return _table(["", "number"], [[row[0], row[2]] for row in rows])


def _cleaning(described: dict[str, Any], words: Words) -> str:
    steps, bad = described["preparation"], described["malformed"] or {}
    account = described["reading"]
    notes = [] if account is None else _reading(account)
    # The account of a table names the same rows.
    notes += [
        f"bad rows of {escape(file)} left out: {escape(kind)}, {count:,}"
        for file, kinds in ({} if account else bad).items()
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


def _reading(account: dict[str, Any]) -> list[str]:
    """Return what became of the rows of a table, a line each."""
    lines = [f"{account['rows']:,} rows were read"]
    if account["duplicates"]:
        lines.append(
            f"{account['duplicates']:,} more rows of the same user and item: "
            f"{escape(account['duplicates_rule'])}"
        )
    return lines + [
        f"left out, {escape(reason)}: {count:,}" for reason, count in account["left_out"].items()
    ]


def _percentiles(described: dict[str, Any], words: Words) -> str:
    rows = []
    for name in DISTRIBUTIONS:
        for kind, label in (("raw", "as read"), ("prepared", "prepared")):
            if described[kind]:
                values = described[kind]["distributions"][name]
                cells = [shown(values["percentiles"][f"{p:g}"]) for p in PERCENTILES]
                head = words(name) + (f", {label}" if described["raw"] else "")
                rows.append([head, f"{values['mean']:,.1f}", *cells, shown(values["largest"])])
    return _table(["", "mean", *(f"{p:g} %" for p in PERCENTILES), "largest"], rows)


def _long_tail(described: dict[str, Any], words: Words) -> str:
    kinds = [kind for kind in ("raw", "prepared") if described[kind]]
    rows = []
    for what in described["prepared"]["long tail"]:
        values = [described[kind]["long tail"][what] for kind in kinds]
        rows.append(
            [words(what), *(f"{v:,}" if isinstance(v, int) else f"{100 * v:.2f} %" for v in values)]
        )
    return _table(["", "as read", "prepared"] if len(kinds) > 1 else ["", ""], rows)


def _figure(plots: dict[str, bytes], file: str, title: str, how: str) -> str:
    if file not in plots:
        return ""
    drawn = svg_element(plots[file])
    label = escape(f"{title}. {how}")
    drawn = drawn.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return (
        f"<figure><figcaption>{escape(title[0].upper() + title[1:])}"
        f'<span class="quiet">{escape(how)}</span></figcaption>{drawn}</figure>'
    )


def _records(records: list[dict[str, Any]], words: Words) -> str:
    if not records:
        return "<p>none</p>"
    numbers = [f"{place}" for place in range(1, len(records) + 1)]
    rows = [
        [number, *(shown(v) if isinstance(v, int | float) else v for v in record.values())]
        for number, record in zip(numbers, records, strict=True)
    ]
    texts = {"", *(words(name) for name, value in records[0].items() if isinstance(value, str))}
    return _table(["", *map(words, records[0])], rows, texts)


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
