"""The count behind an exact AUC: how many pairs of a held-out and any item are in order, without a sort.

With a user's held-out scores p_1 <= ... <= p_P, an item with score s adds #{p < s} + #{p <= s}: two for
each held-out item below it, and one for each tie.

* With AVX-512, up to 31 held-out scores (float32) fit two registers, which are searched in five steps
  for a whole vector of items at once; fewer of them take fewer steps. More held-out scores are taken 31
  at a time, the lowest first, and of the items only those above them are kept for the next.
* Without it, a few held-out scores are compared with every item directly. Many of them are entered in a
  table over equal intervals of score. An item then costs one look-up, however large P is, and only an
  item whose interval holds a held-out score is compared exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]

from halfstep.kernels.cpu.compile import called, compiled
from halfstep.kernels.cpu.ranking_scan import SEARCHES, compressed, ranks
from halfstep.kernels.cpu.vectors import address, builtin, cgutils, width

GROUP = 64  # scores looked up together, a few vectors, before a test whether one needs a comparison
STRIP = 2048  # scores compared with each positive in turn: they stay in the first-level cache
# With more positives the table is faster; with 8 both take about 18 us for 20,000 float32 scores.
DIRECT = 8


@builtin
def fma_one(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c of three numbers, rounded once, as a lane of `outer` computes it."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type
        name = f"llvm.fma.f{32 if isinstance(kind, ir.FloatType) else 64}"
        signature_ = ir.FunctionType(kind, [kind] * 3)
        function = cgutils.get_or_insert_function(builder.module, signature_, name)
        return builder.call(function, args)

    return a(a, a, a), build


@compiled
def score_held_out(X: Any, Y: Any, users: Any, indptr: Any, indices: Any, out: Any) -> None:
    """Write each user's held-out scores, ascending, to `out[indptr[u] : indptr[u + 1]]`."""
    for u in users:
        begin, end = indptr[u], indptr[u + 1]
        x = X[u]
        # Four sums at once: each is a chain of operations that wait for each other.
        whole = begin + (end - begin) // 4 * 4
        for e in range(begin, whole, 4):
            y_0, y_1 = Y[indices[e]], Y[indices[e + 1]]
            y_2, y_3 = Y[indices[e + 2]], Y[indices[e + 3]]
            s_0 = s_1 = s_2 = s_3 = X.dtype.type(0)
            for k in range(x.size):
                s_0 = fma_one(x[k], y_0[k], s_0)
                s_1 = fma_one(x[k], y_1[k], s_1)
                s_2 = fma_one(x[k], y_2[k], s_2)
                s_3 = fma_one(x[k], y_3[k], s_3)
            out[e], out[e + 1], out[e + 2], out[e + 3] = s_0, s_1, s_2, s_3
        for e in range(whole, end):
            y = Y[indices[e]]
            s = X.dtype.type(0)
            for k in range(x.size):
                s = fma_one(x[k], y[k], s)
            out[e] = s
        if end - begin > 32:
            out[begin:end].sort()
            continue
        for e in range(begin + 1, end):
            s = out[e]
            while e > begin and out[e - 1] > s:
                out[e] = out[e - 1]
                e -= 1
            out[e] = s


@compiled
def twice_the_positives_below(row: Any, positives: Any, registers: bool) -> Any:
    """Sum #{p < s} + #{p <= s} over the scores s of `row`, exactly, for sorted `positives`.

    `row` is C-contiguous. `registers` allows the search with AVX-512, where the host has it; the length
    of `row` is then a multiple of a vector's, and `row` is overwritten.
    """
    if SEARCHES and registers:
        tables = np.empty(table_size(row, positives.size), row.dtype)
        return search(row, positives.size, tables, 0, tabulate(positives, tables, 0))
    return without_registers(row, positives)


@called
def without_registers(row: Any, positives: Any) -> Any:
    """Sum the same where the host lacks AVX-512."""
    reach = positives[-1] - positives[0]
    if positives.size <= DIRECT or not reach < np.inf:
        return compare_directly(row, positives)
    return look_up(row, positives, reach)


@called
def table_size(row: Any, positives: int) -> Any:
    """Return how many numbers `tabulate` writes for so many positives."""
    both = 2 * width(address(row))
    return (positives + both - 2) // (both - 1) * both


@called
def tabulate(positives: Any, tables: Any, at: int) -> bool:
    """Write the positives to `tables[at:]`, as many in turn as two registers hold less one infinity.

    Returns whether some of them are equal.
    """
    both = 2 * width(address(positives))
    repeated = False
    j = 0
    for place in range(at, at + table_size(positives, positives.size)):
        if (place - at) % both == both - 1 or j >= positives.size:
            tables[place] = np.inf
            continue
        tables[place] = positives[j]
        repeated |= j > 0 and positives[j] == positives[j - 1]
        j += 1
    return repeated


@called
def search(row: Any, positives: int, tables: Any, at: int, repeated: bool) -> Any:
    """Find the place of every score among the positives, a table of them at a time.

    `row`, of which only scores that reach the next table's least positive are looked at again, is
    overwritten.
    """
    scores, table = address(row), address(tables)
    V = width(scores)
    total = 0
    left = row.size
    while True:
        count = min(positives, 2 * V - 1)
        if repeated:
            total += ranks(scores, 0, left, table, at, 0, True)
        elif count <= 3:
            total += ranks(scores, 0, left, table, at, 2, False)
        elif count <= 7 and V > 8:
            total += ranks(scores, 0, left, table, at, 3, False)
        elif count <= V - 1:
            total += ranks(scores, 0, left, table, at, 1, False)
        else:
            total += ranks(scores, 0, left, table, at, 0, False)
        positives -= count
        if not positives:
            return total
        at += 2 * V
        found = 0
        for start in range(0, left, V):
            found += compressed(scores, start, found, tables[at])
        left = found
        while left % V:
            row[left] = -np.inf
            left += 1


@compiled
def compare_directly(row: Any, positives: Any) -> int:
    """Compare every score with every positive: vector comparisons, without branches."""
    total = 0
    for start in range(0, row.size, STRIP):
        strip = row[start : start + STRIP]
        for p in positives:
            pairs = np.int32(0)  # 32 bits so that as many sums as scores fit a vector register
            for i in range(strip.size):
                pairs = np.int32(pairs + np.int32(p < strip[i]) + np.int32(p <= strip[i]))
            total += pairs
    return total


@compiled
def look_up(row: Any, positives: Any, reach: Any) -> int:
    """Look each score's interval up in a table; compare exactly only where it holds a positive.

    The map from score to interval is monotone in floating point too, so of two scores in different
    intervals, the one in the lower interval is lower. Interval 0 takes all scores below the smallest
    positive, the last interval all above the largest. With 512 intervals for each positive, few scores
    are left to compare.
    """
    P = positives.size
    intervals = min(65536, max(8192, 512 * P))
    lowest = positives[0]
    highest = np.float32(intervals - 2)
    # The cap keeps the scale finite where all positives are (nearly) equal.
    scale = np.float32(1e30)
    if reach * scale > np.float32(intervals - 4):
        scale = np.float32(intervals - 4) / reach
    table = np.empty(intervals, np.int32)
    filled = 0
    for j in range(P):
        place = interval(positives[j], lowest, scale, highest)
        if place >= filled:
            table[filled:place] = 2 * j
            table[place] = -1
            filled = place + 1
    table[filled:] = 2 * P

    total = 0
    for start in range(0, row.size, GROUP):
        group = row[start : start + GROUP]
        pairs = np.int32(0)
        signs = np.int32(0)  # negative once an interval of this group holds a positive
        for i in range(group.size):
            entry = table[np.uint32(interval(group[i], lowest, scale, highest))]
            pairs = np.int32(pairs + entry)
            signs = np.int32(signs | entry)
        total += pairs
        if signs < 0:
            for score in group:
                if table[np.uint32(interval(score, lowest, scale, highest))] < 0:
                    total += 1 + np.searchsorted(positives, score)
                    total += np.searchsorted(positives, score, side="right")
    return total


@compiled
def interval(score: Any, lowest: Any, scale: Any, highest: Any) -> Any:
    """Return the number of the score's interval: 0 below `lowest`, at most `highest` + 1."""
    x = (score - lowest) * scale
    x = x if x > np.float32(-1) else np.float32(-1)
    x = x if x < highest else highest
    return np.int32(x + np.float32(1))
