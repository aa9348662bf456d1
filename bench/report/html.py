"""The report: one HTML file that contains everything, the charts too."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from halfstep.bench.quality.table import quality_tables
from halfstep.bench.report import numbers
from halfstep.bench.report.charts import line_chart, quality_chart, unavailable
from halfstep.bench.report.curves import (
    Curve,
    bound_curves,
    grows,
    objective_curves,
    solver_names,
    sweep_curves,
)
from halfstep.bench.report.growth import growth_table
from halfstep.bench.report.limits import limits_tables
from halfstep.bench.report.sentences import (
    convention_line,
    data_line,
    method_lines,
    when,
    yardstick,
)
from halfstep.bench.report.tables import (
    Table,
    case_table,
    measure_tables,
    ordered,
    raw_table,
    sweep_table,
)
from halfstep.bench.schema import CaseRecord, Results
from halfstep.errors import InputError
from halfstep.files import whole_file
from halfstep.page_style import whole_page


def write_html(results: Results, path: Path) -> None:
    """Write the report to `path`.

    Raises
    ------
    InputError
        Matplotlib, which draws the charts, is not installed, or the file cannot be written.
    """
    reason = unavailable()
    if reason is not None:
        raise InputError(f"the report cannot be drawn: {reason}")
    page = html(results).encode()
    with whole_file(path) as file:
        file.write(page)


def html(results: Results) -> str:
    """Return the report as one self-contained page."""
    title = title_of(results)
    return whole_page(title, f"<h1>{escape(title)}</h1>\n{body(results)}")


def title_of(results: Results) -> str:
    """Return the report's title."""
    return f"ALS solvers compared on {', '.join(dataset.name for dataset in results.data)}"


def body(results: Results) -> str:
    """Return the report below its title, as HTML."""
    parts = _opening(results)
    for case in results.tables():
        parts += _case(results, case)
    parts += _sweep(results)
    parts += _measures(results)
    for table in quality_tables(results):
        parts += [f"<h2>{escape(table.title)}</h2>", *_table(table)]
    parts += _list("How this was measured", method_lines(results))
    facts = [*(data_line(dataset) for dataset in results.data), convention_line(results)]
    parts += _list("Data and settings", [*facts, *(f"left out: {x}" for x in results.left_out)])
    parts += _environment(results)
    if results.cases:
        parts += ["<h2>Raw timings</h2>", *_table(raw_table(results))]
    return "\n".join(parts)


def _opening(results: Results) -> list[str]:
    where = results.environment
    gpu = f", {where.gpu}" if where.gpu else ""
    # The first table of each data set.
    first = {case.data: case for case in reversed(results.tables())}
    leads = []
    for data in sorted(first):
        name = f"{results.data[data].name}: " if len(first) > 1 else ""
        said = " ".join(f(first[data]) for f in (objective_headline, quality_headline))
        leads.append(f'<p class="lead">{escape(name + said)}</p>')
    machine = f"{where.cpu}, {where.cores} cores{gpu}. {when(results)}."
    return [*leads, f'<p class="quiet">{escape(machine)}</p>']


def _case(results: Results, case: CaseRecord) -> list[str]:
    table = case_table(results, case)
    parts = [f"<h2>{escape(table.title)}</h2>", *_table(table)]
    names = solver_names(results)
    curves, best = objective_curves(case), case.best
    if curves and best and case.target is not None:
        target = (case.target - best) / abs(best)
        chart = line_chart(
            curves,
            names,
            "seconds of half-steps",
            "objective above the best, relative",
            (target, f"target: {yardstick(case)}") if target > 0 else None,
        )
        detail = (
            "One mark per iteration; lower and further left is better. The best is the lowest "
            f"objective seen in up to {2 * case.iterations} iterations. Both axes logarithmic."
        )
        parts.append(_figure(chart, objective_headline(case), detail))
    rows = [row for row in ordered(case.rows) if row.quality]
    if rows:
        chart = quality_chart(rows, names, list(rows[0].quality))
        detail = (
            f"Mean over users with its bootstrap interval, after {case.iterations} iterations. "
            "Intervals of the means overlap sooner than those of paired differences, by which the "
            "verdicts are made."
        )
        parts.append(_figure(chart, quality_headline(case), detail))
    return parts


def _sweep(results: Results) -> list[str]:
    table = sweep_table(results)
    if table is None:
        return []
    parts = ["<h2>Seconds per iteration</h2>", *_table(table)]
    by_entries = grows(results)
    growth = growth_table(results)
    if growth is not None:
        parts += ["<h3>Growth</h3>", *_table(growth)]
    for title, curves in sweep_curves(results).items():
        ticks = sorted({x for curve in curves for x in curve.x})
        label = "stored entries" if by_entries else "factors f"
        chart = line_chart(
            curves, solver_names(results), label, "seconds per iteration", x_ticks=ticks
        )
        detail = f"Medians, {title}. Both axes logarithmic; lower is better."
        parts.append(_figure(chart, sweep_headline(curves, label), detail))
    return parts


def _measures(results: Results) -> list[str]:
    parts = []
    for table in (*measure_tables(results), *limits_tables(results)):
        parts += [f"<h2>{escape(table.title)}</h2>", *_table(table)]
    curves = bound_curves(results)
    if curves:
        ticks = sorted({x for curve in curves for x in curve.x})
        names = [curve.name for curve in curves]
        chart = line_chart(curves, names, "factors f", "seconds per iteration", x_ticks=ticks)
        parts.append(_figure(chart, bound_headline(curves), "Both axes logarithmic."))
    return parts


def bound_headline(curves: Sequence[Curve]) -> str:
    """Say how many times the higher of its bounds the measured iteration takes, at each size."""
    measured, *bounds = curves
    factors = [
        f"{y / max(bound.y[i] for bound in bounds):.2g} at f = {x:g}"
        for i, (x, y) in enumerate(zip(measured.x, measured.y, strict=True))
    ]
    return f"Time over the higher of the two bounds: {', '.join(factors)}."


def objective_headline(case: CaseRecord) -> str:
    """Say which solver reaches the target first, and how much faster it is than the reference."""
    reached = [
        (row.seconds_to_target.median, row)
        for row in case.rows
        if row.seconds_to_target is not None
    ]
    if not reached:
        return "No solver was timed to the target objective."
    seconds, first = min(reached, key=lambda pair: pair[0])
    sentence = f"{first.solver} reaches the target objective first, in {numbers.duration(seconds)}"
    if first.solver == case.reference:
        return f"{sentence}; it is the reference."
    if first.speed_up is None:
        return f"{sentence}."
    low, high = first.speed_up.lowest, first.speed_up.highest
    return (
        f"{sentence}: {first.speed_up.median:.2g} times as fast as {case.reference} "
        f"(pairs: {low:.2g} to {high:.2g})."
    )


def quality_headline(case: CaseRecord) -> str:
    """Say which solvers are as good as the reference, and which are not."""
    groups: dict[str, list[str]] = {}
    for row in case.rows:
        if row.judgement is not None and row.kind != "baseline":
            _, colon, metrics = row.judgement.said.partition(": ")
            who = f"{row.solver} ({metrics})" if colon else row.solver
            groups.setdefault(row.judgement.verdict, []).append(who)
    if not groups:
        return f"Held-out quality of {case.reference}; nothing was compared with it."
    phrases = {
        "equivalent": "as good as {}",
        "better": "better than {}",
        "worse": "worse than {}",
        "undecided": "not decided against {} by these users",
    }
    parts = [
        f"{', '.join(groups[word])}: {phrase.format(case.reference)}"
        for word, phrase in phrases.items()
        if word in groups
    ]
    return f"Quality: {'; '.join(parts)}."


def sweep_headline(curves: Sequence[Curve], label: str) -> str:
    """Say which solver has the shortest iteration at the smallest and at the largest size."""
    sizes = sorted({x for curve in curves for x in curve.x})
    fastest = []
    for size in (sizes[0], sizes[-1]):
        at_size = [
            (y, curve.name)
            for curve in curves
            for x, y in zip(curve.x, curve.y, strict=True)
            if x == size
        ]
        fastest.append(min(at_size)[1])
    what = label.removesuffix(" f")
    least, most = (numbers.count(size) for size in (sizes[0], sizes[-1]))
    if fastest[0] == fastest[1]:
        return f"{fastest[0]} has the shortest iteration from {least} to {most} {what}."
    return f"{fastest[0]} has the shortest iteration at {least} {what}, {fastest[1]} at {most}."


def _figure(svg: str, headline: str, detail: str) -> str:
    label = escape(f"Chart. {headline} {detail}")
    drawn = svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    caption = f'{escape(headline)}<span class="quiet">{escape(detail)}</span>'
    return f"<figure><figcaption>{caption}</figcaption>{drawn}</figure>"


def _table(table: Table) -> list[str]:
    def line(tag: str, values: tuple[str, ...]) -> str:
        classes = (' class="number"' if numeric else "" for numeric in table.numeric)
        scope = ' scope="col"' if tag == "th" else ""
        inside = "".join(
            f"<{tag}{scope}{kind}>{escape(value)}</{tag}>"
            for kind, value in zip(classes, values, strict=True)
        )
        return f"<tr>{inside}</tr>"

    body = "".join(line("td", values) for values in table.lines)
    label = escape(table.title)
    drawn = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead>{line('th', table.headings)}</thead><tbody>{body}</tbody></table></div>"
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return [drawn, f'<ul class="quiet">{notes}</ul>'] if notes else [drawn]


def _list(title: str, lines: list[str]) -> list[str]:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return [f"<h2>{escape(title)}</h2>", f"<ul>{items}</ul>"]


def _environment(results: Results) -> list[str]:
    where = results.environment
    facts = {
        "processor": where.cpu,
        "cores": str(where.cores),
        "memory": numbers.size(where.memory_bytes),
        "GPU": where.gpu or "none",
        "system": where.system,
        "BLAS": ", ".join(where.blas) or "unknown",
        "commit": where.commit + (" with changes" if where.dirty else ""),
        **{name: version or "not installed" for name, version in where.versions.items()},
    }
    pairs = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return ["<h2>Environment</h2>", f"<dl>{pairs}</dl>"]
