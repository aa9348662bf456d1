"""Choose each entrant's settings by an equal number of random trials, and judge the chosen ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.bench.features.data import Attributed
from halfstep.bench.features.entrants import Setting, drawn
from halfstep.bench.features.others import ENTRANTS
from halfstep.bench.features.protocol import Draw, draws, interval, ndcg, random_ndcg, users_of


def contest(
    data: Attributed, names: list[str], trials: int, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Return the record of one data set: each entrant's trials, chosen settings and judged draws."""
    tuning, tests = draws(data)
    record: dict[str, Any] = {
        "data": data.name,
        "users": data.interactions.shape[0],
        "items": data.interactions.shape[1],
        "entries": int(data.interactions.nnz),
        "attributes": data.attributes.shape[1],
        "attributes_an_item": float(
            data.attributes.nnz / (np.diff(data.attributes.indptr) > 0).sum()
        ),
        "draws": [
            {
                "name": one.name,
                "new_items": len(one.new),
                "judged_users": len(users_of(one.held_out)),
                "training_entries": int(one.train.nnz),
            }
            for one in (*tuning, *tests)
        ],
        "rows": [],
        "skipped": {},
    }
    values: dict[str, list[Any]] = {
        "random": [(users_of(one.held_out), random_ndcg(one.held_out)) for one in tests]
    }
    record["rows"].append(_row("random order", values["random"], None))
    if data.truth is not None:
        values["truth"] = [_true(data.truth, one) for one in tests]
        record["rows"].append(_row("the attributes' true factors", values["truth"], None))
    for name in names:
        entrant = ENTRANTS[name]
        reason = entrant.unavailable()
        if reason:
            record["skipped"][name] = reason
            continue
        tried = _trials(entrant, data, tuning, trials, say)
        for way in tried[0]["ndcg"]:
            best = max(tried, key=lambda one: one["ndcg"][way])
            values[way] = []
            for number, one in enumerate(tests):
                fit = entrant.fit(
                    one.train, one.attributes, one.new_attributes, best["setting"], number
                )
                values[way].append((users_of(one.held_out), _judged(fit, way, one)))
            row = _row(way, values[way], best)
            record["rows"].append(row)
            say(f"{data.name} {way}: {row['ndcg']} {best['setting']}")
        record.setdefault("trials", {})[name] = tried
    record["differences"] = _differences(values)
    return record


def _trials(
    entrant: Any, data: Attributed, tuning: list[Draw], trials: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    tried = []
    for number in range(trials):
        setting: Setting = drawn(rng, data)
        start = time.perf_counter()
        found: dict[str, list[float]] = {}
        for one in tuning:
            fit = entrant.fit(one.train, one.attributes, one.new_attributes, setting, 0)
            for way in fit.new:
                found.setdefault(way, []).append(float(np.mean(_judged(fit, way, one))))
        seconds = time.perf_counter() - start
        means = {way: float(np.mean(values)) for way, values in found.items()}
        say(f"  {entrant.name} trial {number}: {means} {seconds:.1f} s {setting}")
        tried.append({"setting": setting, "ndcg": means, "each_draw": found, "seconds": seconds})
    return tried


def _judged(fit: Any, way: str, draw: Draw) -> Any:
    scores = fit.users[users_of(draw.held_out)] @ fit.new[way].T
    return ndcg(np.nan_to_num(scores), draw.held_out)


def _true(truth: tuple[Any, Any, Any], draw: Draw) -> tuple[Any, Any]:
    """Return the judged users' NDCG@10 by the users' true factors and the attributes' true means."""
    users, _, means = truth
    who = users_of(draw.held_out)
    return who, ndcg(users[who] @ means[draw.new].T, draw.held_out)


def _row(name: str, values: list[Any], best: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "name": name,
        "ndcg": interval(values),
        "each_draw": [float(value.mean()) for _, value in values],
        "tuning": best,
    }


def _differences(values: dict[str, list[Any]]) -> dict[str, dict[str, float]]:
    """Return the differences to this package's ranking, user by user."""
    ours = values.get("halfstep")
    if ours is None:
        return {}
    return {
        name: interval(
            [(who, own - other) for (who, own), (_, other) in zip(ours, theirs, strict=True)]
        )
        for name, theirs in values.items()
        if name != "halfstep"
    }
