"""The README's tables of a run on a card, from the file that `make gpu-report` wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from halfstep.bench.gpu.plan import CPU, CPU_PEER, REFERENCE, REFERENCE_HALF
from halfstep.bench.gpu.record import GpuResults, GpuTable, Peaks
from halfstep.bench.report.markdown_table import escaped, markdown_table
from halfstep.bench.report.numbers import NONE, duration, median_duration, percent, ratio, size
from halfstep.bench.report.tables import COLUMNS, Column, Table, table_of
from halfstep.bench.schema import CaseRecord, Row

_SHORT = (
    "data", "best rung", "iteration", "implicit's CUDA", "its float16", "our CPU", "its CPU",
    "to target",
)  # fmt: skip
_PARITY = ("rung, data", "objective / CPU's", "NDCG@10 away", "solved rows away", "as good")
_OPTIONS = ("option", "off", "on", "objective away", "as good")
_AS_ON_THE_CPU = ("solver", "device", "iteration", "to target", "it.", "speed-up", "gap")


def markdown(results: GpuResults) -> str:
    """Return a table for each case, the picture, what parity showed, and what the other parts found."""
    where = "the emulator (no speeds)" if results.emulated else results.environment.gpu or "a card"
    found = []
    for measured in results.tables:
        table = card_table(measured, results.peaks)
        found += [f"**{escaped(table.title)}** on {escaped(where)}", markdown_table(table)]
    reference = results.tables[0].case.reference if results.tables else ""
    found.append(f"Target: the objective of {reference or NONE} after 10 iterations.")
    if results.picture:
        found.append(
            f"![What the card can gather and copy, and what each rung got]({results.picture})"
        )
    found += [*of_lists(results), *parts(results)]
    if results.left_out:
        lines = "\n".join(f"- {escaped(line)}" for line in results.left_out)
        found.append(f"<details><summary>Left out, or failed</summary>\n\n{lines}\n\n</details>")
    return "\n\n".join(found)


def short(records: Sequence[GpuResults]) -> str:
    """Return one table for the README: of each card and case the best rung, and what it is against."""
    lines = []
    for results in (results for results in records if not results.emulated):
        card = (results.environment.gpu or "a card").split(",")[0]
        for table in results.tables:
            rows = {row.solver: row for row in table.case.rows if row.seconds_per_iteration}
            ours = [r for r in rows.values() if r.kind == "rung" and r.device == "gpu"]
            best = min(ours, key=_to_target, default=None)
            if best is None:
                continue
            others = (rows.get(name) for name in (REFERENCE, REFERENCE_HALF, CPU, CPU_PEER))
            lines.append(
                (
                    f"{table.shape}, f = {table.case.factors}, {card}", best.solver,
                    median_duration(best.seconds_per_iteration),
                    *(median_duration(row.seconds_per_iteration) if row else NONE for row in others),
                    ratio(best.speed_up),
                )
            )  # fmt: skip
    if not lines:
        return "No run on a card has been committed yet: `make gpu` makes one."
    return "\n\n".join(
        [
            _table(_SHORT, lines),
            "Seconds of an iteration; *to target*: how many times sooner than implicit's CUDA backend "
            "the rung is at the objective that this has after 10 iterations.",
        ]
    )


def _to_target(row: Row) -> tuple[bool, float]:
    reached = row.seconds_to_target
    seconds = reached or row.seconds_per_iteration
    return reached is None, seconds.median if seconds else 0.0


def of_lists(results: GpuResults) -> list[str]:
    """Return tables of what several records of a part say: parity, CPU threads, options, verdicts."""
    found = []
    if results.parity:
        lines = [
            (
                f"{one['solver']}, {one['shape']}", _number(one["objective_ratio"], ".5f"),
                f"{_number(one['ndcg_difference'], '+.5f')} ± "
                f"{_number(one['ndcg_standard_error'], '.5f')}",
                _number(one["relative_gap"], ".1e"), "yes" if one["equal"] else "NO",
            )
            for one in results.parity
        ]  # fmt: skip
        found += ["**Beside the CPU's default solver**", _table(_PARITY, lines)]
    if results.scaling:
        threads = [
            (
                f"{one['solver']}, {one['threads']} threads",
                one["reason"] or duration(one["seconds"]),
            )
            for one in results.scaling
        ]
        found += ["**The CPU's solvers by threads**", _table(("solver", "iteration"), threads)]
    tried = [one for one in results.options if "option" in one]
    if tried:
        lines = [
            (
                one["option"], duration(one.get("seconds_off")), duration(one.get("seconds_on")),
                one.get("error") or _number(one["objective_difference"], ".1e"),
                "; ".join(["yes" if one["equal"] else "NO", *one.get("warned", ())]),
            )
            for one in tried
        ]  # fmt: skip
        found += ["**What is off by default**", _table(_OPTIONS, lines)]
    verdicts = [f"{one['tool']} {one['solver']}: {one['exit_code']}" for one in results.sanitizer]
    if results.tests:
        verdicts.insert(0, f"tests: {'; '.join(results.tests['said'])}")
    if verdicts:
        found.append(f"Verdicts (exit codes, 0 is clean): {escaped(', '.join(verdicts))}.")
    return found


def card_table(measured: GpuTable, peaks: Peaks | None) -> Table:
    """Return a case's table: columns as on the CPU, and what only a card has."""

    def of_peak(row: Row, case: CaseRecord) -> str:
        if not (peaks and row.counted_bytes and row.seconds_per_iteration):
            return NONE
        rate = row.counted_bytes / row.seconds_per_iteration.median
        return f"{rate / peaks.bytes_per_second:.0%}"

    columns = (
        *(column for column in COLUMNS if column.heading in _AS_ON_THE_CPU),
        Column("set-up", "time", lambda row, case: duration(_middle(row.setup_seconds))),
        Column("device memory", "card", lambda row, case: size(row.peak_device_bytes)),
        Column("of copy peak", "card", of_peak),
    )
    case = measured.case
    return table_of(f"{measured.shape}, f = {case.factors}", case, columns)


def parts(results: GpuResults) -> list[str]:
    """Return each part's findings as paragraphs: a title, a table, and how to read it."""
    writers: tuple[
        tuple[str, dict[str, Any] | None, Callable[[dict[str, Any]], list[str]]], ...
    ] = (
        ("Exact half-steps", results.exact, _exact),
        ("Top 10 for all users, those liked left out; evaluation", results.queries, _queries),
        ("Streamed through little memory", results.streaming, _streaming),
        ("A thousand million entries", results.billion, _streaming),
        ("What float16 and bfloat16 storage cost", results.half, _half),
    )
    found = []
    for title, part, write in writers:
        if part is None:
            continue
        if part.get("cannot_run"):
            found.append(f"**{title}**: {escaped(part['cannot_run'])}")
            continue
        shape = f", {part['shape']}" if part.get("shape") else ""
        found += [f"**{title}{shape}, f = {part['factors']}**", *write(part)]
    return found


def _exact(part: dict[str, Any]) -> list[str]:
    each, reached = part["seconds_per_iteration"], part["seconds_to_target"]
    names = dict.fromkeys((part["exact"], part["cg"], part["reference"]))
    lines = [(n, duration(each[n]), duration(reached.get(n))) for n in names if n in each]
    return [
        _table(("solver", "iteration", "to target"), lines),
        f"An exact iteration takes {_times(part['iteration_ratio'])} that of {part['cg']}; to the "
        f"target it is {_times(part['speed_up_to_target'])} as fast as {part['reference']}.",
    ]


def _queries(part: dict[str, Any]) -> list[str]:
    lines = [(name, duration(_middle(times))) for name, times in part["seconds"].items()]
    asked = f"{part['users_asked']:,} of {part['users']:,} users, {part['items']:,} items"
    said = (
        f"{_times(part['speed_up'])} as fast as {part['reference']}; "
        f"{part['same_lists']:.2%} of the items are the same."
        if part["reference"]
        else f"No reference: {part['no_reference']}."
    )
    quality = part["evaluation"]
    means = ", ".join(f"{name} {value:.4f}" for name, value in quality["means"].items())
    return [
        _table(("solver", asked), lines),
        f"{escaped(said)} Evaluation of {quality['users_evaluated']:,} users over all items on the "
        f"device takes {duration(quality['seconds'])} ({means}); the CPU's figures differ by at most "
        f"{quality['largest_difference_from_cpu']:.1e}.",
    ]


def _streaming(part: dict[str, Any]) -> list[str]:
    lines = [
        (
            name,
            duration(part["seconds_per_iteration"].get(name)),
            duration(_middle(mode["setup_seconds"])),
            mode["cannot_run"] or mode["plan"],
        )
        for name, mode in part["ways"].items()
    ]
    share, equal = part["share_of_resident_speed"], part["equal_bits"]
    said = f"{part['entries']:,} entries."
    if share is not None:
        said += f" Streamed at {share:.0%} of the resident speed; the factors are "
        said += "equal bit for bit." if equal else "NOT equal bit for bit."
    return [_table(("entries", "iteration", "set-up", "device memory"), lines), said]


def _half(part: dict[str, Any]) -> list[str]:
    headings = (
        "storage", "objective", "away", "ndcg@10", "away, ± standard error", "refused"
    )  # fmt: skip
    lines = []
    for row in part["rows"]:
        if row["cannot_run"]:
            lines.append((row["storage"], row["cannot_run"], *[NONE] * 4))
            continue
        apart = f"{row['ndcg_difference']:+.5f} ± {row['ndcg_standard_error']:.5f}"
        lines.append(
            (
                row["storage"], f"{row['objective']:.8g}", percent(row["objective_cost"]),
                f"{row['ndcg']:.4f}", apart, "yes" if row["refused"] else "no",
            )
        )  # fmt: skip
    return [
        _table(headings, lines),
        f"After {part['iterations']} iterations on {part['entries']:,} entries, {part['users']:,} "
        "users evaluated; refused where one half-step's objective is more than "
        f"{part['margin']:.0e} higher.",
    ]


def _number(value: float | None, form: str) -> str:
    """Return a number in a format; None, which a NaN is in the records, has no digits."""
    return NONE if value is None else format(value, form)


def _table(headings: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    numeric = (False, *(True for _ in headings[1:]))
    return markdown_table(Table("", headings, ("",) * len(headings), numeric, tuple(lines)))


def _times(ratio: float | None) -> str:
    return NONE if ratio is None else f"{ratio:.2f} times"


def _middle(times: list[float]) -> float | None:
    return sorted(times)[len(times) // 2] if times else None
