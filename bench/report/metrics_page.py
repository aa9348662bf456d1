"""The page on how the numbers of our metrics relate to those of other libraries.

Run as `python -m halfstep.bench.report.metrics_page docs/metrics.md`. Every number is computed.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from halfstep.bench.report.definitions import (
    ITEMS,
    LIBRARIES,
    TEST,
    THEIRS,
    TRAIN,
    K,
    average_precision,
    example,
    gain,
    ours,
)
from halfstep.files import whole_file

_SAME = 1e-12
_HEAD = f"""# Metrics here and elsewhere

The same lists get other numbers from other libraries, under the same names. This page puts them side by
side on one example, small enough to check by hand; `python -m halfstep.bench.report.metrics_page
docs/metrics.md` writes it, and computes every number: ours with `halfstep.evaluation.evaluate`, which
has the formulas of all metrics (those of novelty, diversity and popularity are in
[`beyond_accuracy.py`](../evaluation/metrics/beyond_accuracy.py)), the others' by their definitions.
Those of implicit 0.7 and irspack 0.5 are tested against the libraries themselves; those of LensKit,
RecBole and trec_eval are what their documentation says.

## The example

Four users, {ITEMS} items, lists of k = {K}. Items that a user has are not recommended to that user.
"""
_TABLE = f"""
## The numbers

A number in **bold** differs from ours: do not compare it. –: the library has no such metric, or it was
not compared. Names are the libraries', with a cut-off of {K} where they take one.
"""


def page() -> str:
    """Return the page as Markdown."""
    worked = "\n\n".join(
        textwrap.fill(" ".join(text.split()), 105, break_long_words=False, break_on_hyphens=False)
        for text in _worked()
    )
    return "\n".join([_HEAD, *_example(), _TABLE, *_numbers(), "", worked, "", _SOURCES])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _example() -> list[str]:
    lines = [_row(["user", "has", "held out", "list", "hits"]), _row(["---"] * 5)]
    for name, seen, wanted, user in zip("ABCD", TRAIN, TEST, example(), strict=True):
        listed = [
            f"**{i}**" if hit else f"{i}" for i, hit in zip(user.items, user.top, strict=False)
        ]
        hits = f"{sum(user.top)} of {user.held_out}"
        lines.append(_row([name, _items(seen), _items(wanted), ", ".join(listed), hits]))
    return lines


def _items(items: Sequence[int]) -> str:
    return ", ".join(map(str, items))


def _numbers() -> list[str]:
    lines = [_row(["halfstep", "", *LIBRARIES]), _row(["---", "---:", *["---"] * len(LIBRARIES)])]
    users, own = example(), ours()
    for metric, others in THEIRS.items():
        cells = []
        for library in LIBRARIES:
            if library not in others:
                cells.append("–")
                continue
            name, definition = others[library]
            value = definition(users)
            shown = f"{value:.4f}"
            same = abs(value - own[metric]) < _SAME
            cells.append(f"`{name}` {shown if same else f'**{shown}**'}")
        suffix = "" if metric == "auc" else f"@{K}"
        lines.append(_row([f"`{metric}{suffix}`", f"{own[metric]:.4f}", *cells]))
    return lines


def _sum(parts: Sequence[str], divisor: int) -> str:
    return f"({' + '.join(parts)}) / {divisor}"


def _theirs(metric: str, library: str) -> str:
    return f"{THEIRS[metric][library][1](example()):.4f}"


def _worked() -> list[str]:
    users, own = example(), ours()
    caps = [min(K, u.held_out) for u in users]
    hits = [sum(u.top) for u in users]
    sums = [average_precision(u) for u in users]
    count = len(users)
    best = [gain([True] * cap) for cap in caps]
    best_clipped = [gain([True] * cap, clipped=True) for cap in caps]
    gains = [gain(u.top) for u in users]
    gains_clipped = [gain(u.top, clipped=True) for u in users]
    areas = [u.area for u in users]
    weights = [u.held_out for u in users]
    return [
        "## Where they differ, worked out",
        f"""**implicit** (`ranking_metrics_at_k`). Its `precision` is no mean over users, and no share of
        the listed items: all hits over all hits that lists of {K} could have had,
        ({" + ".join(map(str, hits))}) / ({" + ".join(map(str, caps))}) =
        {_theirs("precision", "implicit")}. With one held-out item a user it is the hit rate. Ours is
        {_sum([f"{h}/{K}" for h in hits], count)} = {own["precision"]:.4f}. Its `auc` is not the area
        under the ROC curve: it sees the first {K} ranks, and takes the other held-out items as spread
        evenly over the rest of the catalogue, in which it counts the items that the user has in train.
        So it depends on k: {_theirs("auc", "implicit")} here. Ours takes every pair of a held-out item
        and a negative one: {_sum([f"{a:.4f}" for a in areas], count)} = {own["auc"]:.4f}. `ndcg` and
        `map` are ours.""",
        f"""**irspack** (`Evaluator`). Its `map` divides a user's sum of precisions by all n held-out
        items, also where a list of {K} cannot hold them: {_sum(_over(sums, weights), count)} =
        {_theirs("map", "irspack")}. Ours divides by min(k, n): {_sum(_over(sums, caps), count)} =
        {own["map"]:.4f}. Its `recall` is our `recall`, and with `recall_with_cutoff=True` our
        `recall_capped`.""",
        f"""**LensKit**. Its `Recall` with a list length divides by min(k, n) and so is our
        `recall_capped`, {_sum(_over(hits, caps), count)} = {own["recall_capped"]:.4f}; our `recall`
        divides by n: {_sum(_over(hits, weights), count)} = {own["recall"]:.4f}. Its `NDCG` does not
        discount the second rank: ranks weigh 1, 1 and 1/log2(3) in place of 1, 1/log2(3) and 1/log2(4),
        in the list and in the best possible list, {_sum(_over(gains_clipped, best_clipped), count)} =
        {_theirs("ndcg", "LensKit")}. Ours: {_sum(_over(gains, best), count)} = {own["ndcg"]:.4f}.""",
        f"""**RecBole**. Its metrics of lists are ours. Its `gauc` weighs a user's area by the user's
        held-out items:
        ({" + ".join(f"{n} x {a:.4f}" for n, a in zip(weights, areas, strict=True))}) / {sum(weights)} =
        {_theirs("auc", "RecBole")}; ours counts every user alike. Its `auc` puts the scores of all users
        into one ranking, which our metrics never do.""",
        f"""**trec_eval**. `map_cut_{K}` divides by n, as irspack does: {_theirs("map", "trec_eval")}.
        `ndcg_cut_{K}` is ours in its present version; early versions left the second rank without
        discount, as LensKit does.""",
        """**Ties.** The example has no equal scores. Where there are some, ours is the expected value
        over their orders; the others take one order, often that of the items' numbers or names. A model
        that gives all items the same score gets from them whatever the numbering happens to say.""",
    ]


def _over(numbers: Sequence[float], divisors: Sequence[float]) -> list[str]:
    return [f"{_short(a)}/{_short(b)}" for a, b in zip(numbers, divisors, strict=True)]


def _short(value: float) -> str:
    return f"{value}" if isinstance(value, int) else f"{value:.4f}"


_SOURCES = """## Sources

* implicit 0.7: `implicit.evaluation`, <https://benfred.github.io/implicit/api/evaluation.html>
* irspack 0.5: `irspack.evaluation.Evaluator`, <https://irspack.readthedocs.io>
* LensKit 2025: `lenskit.metrics`, <https://lkpy.lenskit.org>
* RecBole 1: `recbole.evaluator.metrics`, <https://recbole.io/docs>
* trec_eval 9: the help texts of its measures, <https://github.com/usnistgov/trec_eval>
* Järvelin and Kekäläinen: Cumulated gain-based evaluation of IR techniques, TOIS 2002, where a logarithm
  to base 2 leaves the first two ranks without discount; log2(rank + 1) is in Burges et al., Learning to
  Rank using Gradient Descent, ICML 2005.
"""


if __name__ == "__main__":
    target = Path(sys.argv[1])
    with whole_file(target) as written:
        written.write(page().encode())
    print(target)
