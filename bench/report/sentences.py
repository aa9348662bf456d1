"""Sentences about what was measured, where and how; tables are read with these."""

from __future__ import annotations

from typing import Any

from halfstep.bench.contestant_names import SECOND_PEER, is_exact
from halfstep.bench.quality.table import quality_lines
from halfstep.bench.report import numbers
from halfstep.bench.schema import CaseRecord, DataRecord, Environment, Results

_CONJUGATE = "implicit's conjugate gradients"
RATIOS = "Cores that are shared with other work make seconds unsteady: read the ratios."


def data_line(dataset: DataRecord) -> str:
    """Return one line about a data set."""
    return (
        f"{dataset.name}: {dataset.users:,} users × {dataset.items:,} items, "
        f"{dataset.entries:,} entries to fit, {dataset.held_out:,} held out ({dataset.split}), "
        f"quality over {dataset.evaluated_users:,} users; content hash {dataset.content_hash[:12]}"
    )


def machine(where: Environment) -> str:
    """Return the machine that a run's numbers hold for: processor, cores and BLAS kernels."""
    kernels = dict.fromkeys(name.rpartition("(")[2].rstrip(")") for name in where.blas)
    return f"{where.cpu}, {where.cores} cores{', BLAS for ' + ' and '.join(kernels) if kernels else ''}"


def environment_line(results: Results) -> str:
    """Return one line about the machine and the versions."""
    where = results.environment
    versions = ", ".join(f"{name} {v}" for name, v in where.versions.items() if v is not None)
    memory = f", {numbers.size(where.memory_bytes)}" if where.memory_bytes else ""
    gpu = f", {where.gpu}" if where.gpu else ""
    dirty = " with changes" if where.dirty else ""
    return (
        f"{where.cpu}, {where.cores} cores{memory}{gpu}; {where.system}; {versions}; "
        f"{', '.join(where.blas) or 'BLAS unknown'}; commit {where.commit[:12]}{dirty}; "
        f"{when(results)}"
    )


def when(results: Results) -> str:
    """Return the day and minute of the run."""
    return f"{results.created[:16].replace('T', ' ')} UTC"


def weighting(convention: dict[str, Any]) -> str:
    """Return the arguments of a weighting in words."""
    shown = ("confidence", "alpha", "epsilon", "background", "regularization")
    values = [f"{name} {convention[name]}" for name in shown if convention.get(name) is not None]
    if convention.get("regularization_exponent"):
        values.append(f"regularization exponent {convention['regularization_exponent']}")
    if convention.get("als_wr"):
        values.append("times each row's number of entries (ALS-WR)")
    if convention.get("transform") == "bm25":
        values.insert(0, f"BM25 with K1 {convention['bm25_k1']:g} and B {convention['bm25_b']:g}")
    elif convention.get("transform"):
        values.insert(0, "TF-IDF")
    return ", ".join(values)


def convention_line(results: Results) -> str:
    """Return one line about the weightings and the start."""
    settings = results.settings
    by_data = {
        results.data[case.data].name: weighting(case.convention or settings)
        for case in results.cases
    }
    by_data |= {
        f"{results.data[cell.data].name}, {cell.weighting}": weighting(cell.convention)
        for cell in results.cells
    }
    weightings = list(dict.fromkeys(by_data.values())) or [weighting(settings)]
    if len(weightings) > 1:
        weightings = [f"{name}: {values}" for name, values in by_data.items()]
    counts = sorted(
        {case.num_threads for case in results.cases} or {results.settings.get("num_threads", 0)}
    )
    threads = " and ".join(str(count or "all") for count in counts)
    return (
        f"{'; '.join(weightings)}; factors start from the same float32 draw "
        f"(seed {settings.get('seed')}); threads: {threads}"
    )


def method_lines(results: Results) -> list[str]:
    """Return how a run was measured, one statement a line."""
    method = results.method
    tables = results.tables()
    lines = []
    if tables:
        case = tables[0]
        lines += [
            f"Target: the float64 objective of {yardstick(case)} after {case.iterations} iterations. "
            f"“To target” is the half-step time until a solver is within "
            f"{method.target_tolerance:g} (relative) of it, for which it may take up to twice the "
            "iterations. Objectives come from an untimed check, which compiles and warms up as well.",
            *_second_line(results),
            f"Verdict against {case.reference} after {case.iterations} iterations: equivalent means "
            f"an objective {_near(results)} {100 * method.objective_tolerance:g} %, and held-out "
            f"NDCG@10 and AUC each within {100 * method.margin_share:g} % of the reference's mean, by "
            f"a paired bootstrap over users ({method.resamples:,} resamples, "
            f"{100 * method.confidence:g} % interval).",
            "Peak memory is the peak resident memory of a process that loads the data and fits.",
        ]
    return [
        *lines,
        *quality_lines(results),
        "Timed fits are interleaved, and each repeat begins with the next solver. Only half-steps "
        "count; weighting, transposing and copying are recorded apart. Speed-ups are formed pair by "
        "pair within a repeat: the median, and in brackets the extremes.",
        RATIOS,
    ]


def target_line(results: Results) -> str:
    """Return what the columns of a case's table mean."""
    case = results.tables()[0]
    within = results.method.target_tolerance
    near = f"within {100 * within:g} % of " if within >= 1e-3 else ""
    line = (
        f"To target: half-step time to {near}the objective of {yardstick(case)} after "
        f"{case.iterations} iterations. Gap: objective against that of {case.reference}. Speed-up: "
        "median of the ratios to it, pair by pair, with their extremes."
    )
    if not is_exact(case.reference):
        return line
    of, method = ("Spark", "Spark") if _by_spark(case) else ("implicit", _CONJUGATE)
    return (
        f"{line} Never gets there: not in twice the iterations. To relaxed: objective against that "
        "of exact half-steps that are over-relaxed, as those with few steps are. Its ratio: NDCG@10 "
        f"over that of {case.reference}, with the 95 % interval over users. To {of}'s: time to "
        f"the objective of {method} after as many iterations."
    )


def yardstick(case: CaseRecord) -> str:
    """Return the name of a case's reference, and what it is."""
    return f"exact ALS ({case.reference})" if is_exact(case.reference) else case.reference


def _second_line(results: Results) -> list[str]:
    case, within = results.tables()[0], results.method.second_tolerance
    if not case.second or within is None:
        return []
    of = "Spark" if _by_spark(case) else "implicit"
    return [
        f"“To {of}'s” is the half-step time until a solver is within {within:g} (relative) of the "
        f"objective of {case.second} after {case.iterations} iterations; it is looked for in the "
        f"first {case.iterations}, and for as long as the target is."
    ]


def _by_spark(case: CaseRecord) -> bool:
    return case.second.partition(":")[0] == SECOND_PEER


def _near(results: Results) -> str:
    # In the first schema an objective had to be near the reference's on both sides.
    return "within" if results.schema < 2 else "above the reference's by at most"


def reading_lines(results: Results) -> list[str]:
    """Return the few lines that belong under a table on a terminal."""
    target = [target_line(results)] if results.tables() else []
    datasets = [data_line(dataset) for dataset in results.data]
    return [*target, RATIOS, *datasets, convention_line(results)]
