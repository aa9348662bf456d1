"""The suite `quality` as tables: a line for each cell in the README, and everything on the page."""

from __future__ import annotations

from collections.abc import Sequence

from halfstep.bench.contestant_names import PEERS
from halfstep.bench.method.check import METRICS
from halfstep.bench.quality.cell import AUTO, OTHERS
from halfstep.bench.quality.plan import SEEDS
from halfstep.bench.quality.record import Bar, QualityCell, Standing
from halfstep.bench.quality.verdict import NDCG, never
from halfstep.bench.report import numbers
from halfstep.bench.report.tables import Table
from halfstep.bench.schema import Results

OVERFITS = "overfits"
OVERFITTING = (
    f"{OVERFITS}: overfitting setting: a better-solved objective may rank worse here, for every "
    "solver. NDCG@10 of exact ALS itself is lower after the last iteration than after five, by more "
    "than its interval."
)
_PEER_NAMES = dict(zip(OTHERS, ("implicit's CG", "implicit's Cholesky", "irspack"), strict=True))


def compact_table(found: Sequence[QualityCell], data: Sequence[str]) -> Table:
    """Return a line for each cell; `data` names the data set of each."""
    headings = (
        "data, weighting, f",
        "objective / exact's",
        "NDCG@10 / exact's",
        "fit time / exact's",
        *(f"times sooner than {_PEER_NAMES[peer]}" for peer in OTHERS),
    )
    lines = tuple(
        (
            _title(cell, name),
            _worst(_ours(cell).to_exact),
            numbers.interval(_ours(cell).ratios.get(METRICS[0])),
            _times(cell),
            *(sooner(cell, peer) for peer in OTHERS),
        )
        for cell, name in zip(found, data, strict=True)
    )
    return _table("quality", headings, lines, found)


def bars_table(found: Sequence[QualityCell], data: Sequence[str]) -> Table:
    """Return a line for each cell: ratios to exact ALS with over-relaxation, and the bars."""
    headings = (
        "data, weighting, f",
        "objective / exact relaxed",
        "NDCG@10 / exact relaxed",
        "AUC / exact's",
        "AUC / exact relaxed",
        "bars missed",
        "bars met",
    )
    lines = tuple(
        (
            _title(cell, name),
            _worst(_ours(cell).to_relaxed),
            numbers.interval(_ours(cell).relaxed_ratios.get(METRICS[0])),
            numbers.interval(_ours(cell).ratios.get(METRICS[1])),
            numbers.interval(_ours(cell).relaxed_ratios.get(METRICS[1])),
            _bars(cell.bars, False) + _undecided(cell),
            _bars(cell.bars, True),
        )
        for cell, name in zip(found, data, strict=True)
    )
    notes = [
        f"{_title(cell, name)}: {note}"
        for cell, name in zip(found, data, strict=True)
        for note in cell.notes
    ]
    return _table("quality: bars", headings, lines, found, notes)


def standings_table(found: Sequence[QualityCell], data: Sequence[str]) -> Table:
    """Return a line for each contestant of each cell."""
    headings = (
        "data, weighting, f",
        "contestant",
        "objective / exact's",
        "NDCG@10",
        "its ratio",
        "AUC",
        "iteration",
        "to target",
        "its time / ours",
        "remark",
    )
    lines = tuple(
        (_title(cell, name), *_standing(cell, standing))
        for cell, name in zip(found, data, strict=True)
        for standing in cell.standings
    )
    return _table("quality: contestants", headings, lines, (), numeric=(2, 9))


def quality_tables(results: Results) -> list[Table]:
    """Return the tables of a run; none where it is of another suite."""
    if not results.cells:
        return []
    names = data_names(results)
    return [draw(results.cells, names) for draw in (compact_table, bars_table, standings_table)]


def data_names(results: Results) -> list[str]:
    """Return the name of each cell's data set."""
    return [results.data[cell.data].name for cell in results.cells]


def quality_lines(results: Results) -> list[str]:
    """Return how the suite measures, one statement a line."""
    if not results.cells:
        return []
    cell, within = results.cells[0], 100 * results.method.target_tolerance
    commits = dict.fromkeys(c.commit[:12] for c in results.cells)
    minutes = sum(c.wall_seconds for c in results.cells) / 60
    return [
        f"Ours is {AUTO}, what `auto` chooses on a CPU; exact is ALS with every row solved exactly, "
        f"after as many iterations ({cell.iterations}) from the same start; exact relaxed is exact ALS "
        "with the over-relaxation of ours.",
        f"Objectives are float64; the worst of {SEEDS} seeds counts (a seed draws split and start; "
        "peers are fitted from the first alone). NDCG@10 and AUC are over all seeds together; their "
        f"ratios have a paired {100 * results.method.confidence:g} % interval over users.",
        f"Fit time: half-step seconds of a fit of {cell.iterations} iterations over exact's, pair by "
        "pair: the median, and in brackets the extremes.",
        f"Times sooner: half-step seconds to within {within:g} % of exact's objective after "
        f"{cell.iterations} iterations, of the peer over ours. Never: not in twice the iterations.",
        f"Measured at commit {', '.join(commits)}, in {minutes:.0f} minutes.",
    ]


def sooner(cell: QualityCell, peer: str) -> str:
    """Return how many times sooner than a peer ours reaches the target, or why there is no number."""
    standing = cell.standing(peer)
    if standing is None or standing.reason is not None:
        return numbers.NONE
    if standing.iterations_to_target is None:
        return "never" if never(standing, cell) else "not reached"
    if _ours(cell).iterations_to_target is None:
        return "ours not reached"
    return numbers.ratio(standing.sooner)


def _standing(cell: QualityCell, standing: Standing) -> tuple[str, ...]:
    seconds = [s for fit in standing.seconds for s in fit]
    to_target = numbers.NONE
    if standing.iterations_to_target is not None:
        to_target = f"{standing.iterations_to_target} it."
    elif standing.checked:
        to_target = "never" if never(standing, cell) else "not reached"
    remark = [standing.reason] if standing.reason else standing.notes
    metric = {name: f"{value:.4f}" for name, value in standing.quality.items()}
    return (
        standing.solver,
        _worst(standing.to_exact),
        metric.get(METRICS[0], numbers.NONE),
        numbers.interval(standing.ratios.get(METRICS[0])),
        metric.get(METRICS[1], numbers.NONE),
        numbers.duration(sum(seconds) / len(seconds)) if seconds else numbers.NONE,
        to_target,
        numbers.ratio(standing.sooner),
        "; ".join(remark),
    )


def _table(
    title: str,
    headings: tuple[str, ...],
    lines: tuple[tuple[str, ...], ...],
    found: Sequence[QualityCell],
    notes: Sequence[str] = (),
    numeric: tuple[int, int] | None = None,
) -> Table:
    first, last = numeric or (1, len(headings))
    remarks = [OVERFITTING] if any(cell.overfits for cell in found) else []
    return Table(
        title=title,
        headings=headings,
        parts=("",) * len(headings),
        numeric=tuple(first <= n < last for n in range(len(headings))),
        lines=lines,
        notes=(*remarks, *notes),
    )


def _ours(cell: QualityCell) -> Standing:
    return cell.standing(AUTO) or Standing(AUTO)


def _title(cell: QualityCell, data: str) -> str:
    return f"{data}, {cell.weighting}, f = {cell.factors}" + (
        f" ({OVERFITS})" if cell.overfits else ""
    )


def _worst(values: Sequence[float]) -> str:
    return f"{max(values):.3f}" if values else numbers.NONE


def _times(cell: QualityCell) -> str:
    spread = _ours(cell).fit_time
    return (
        numbers.NONE
        if spread is None
        else f"{spread.median:.2f} ({spread.lowest:.2f}–{spread.highest:.2f})"
    )


def _bars(bars: Sequence[Bar], met: bool) -> str:
    chosen = [bar for bar in bars if bar.met is met]
    sentences = [
        f"{bar.name} {'never' if bar.value is None else f'{bar.value:.3g}'} "
        f"({'at least' if _is_lower_limit(bar) else 'at most'} {bar.limit:g})"
        for bar in chosen
    ]
    return "; ".join(sentences) or numbers.NONE


def _undecided(cell: QualityCell) -> str:
    """Say that NDCG@10 is undecided where its bar is missed although its interval holds 1."""
    ratio = _ours(cell).relaxed_ratios.get(METRICS[0])
    missed = any(bar.name == NDCG and bar.met is False for bar in cell.bars)
    holds = ratio is not None and ratio.high is not None and ratio.high >= 1
    return "; NDCG@10 is undecided: its interval holds 1" if missed and holds else ""


def _is_lower_limit(bar: Bar) -> bool:
    return bar.name == NDCG or any(bar.name.endswith(peer) for peer in PEERS)
