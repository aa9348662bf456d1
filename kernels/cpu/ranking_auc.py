"""How many pairs of a positive and any item are in order: the count behind an exact AUC, without a sort.

With a user's held-out scores p_1 <= ... <= p_P, every item of score s adds #{p < s} + #{p <= s}.

* With AVX-512, up to 31 held-out scores are held in two registers and searched in five steps for a
  vector of items at once; more of them are gone through 31 at a time.
* Elsewhere few held-out scores are compared with all items directly. Many are put into a table over
  equal intervals of score, so that an item costs one look-up whatever P is, and only an item that
  shares its interval with a held-out score is compared exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cpu.compile import called, compiled
from halfstep.kernels.cpu.ranking_scan import SEARCHES, ranks
from halfstep.kernels.cpu.vectors import address, width

GROUP = 64  # scores taken together, a few vectors, before a look at whether one needs more
STRIP = 2048  # scores that many positives are compared with in turn: stays in the first-level cache
DIRECT = 8  # above, the table is faster; at 8 both cost about 18 us for 20,000 float32 scores
# Beyond so many passes over the scores the table is faster.
PASSES = 12


@compiled
def twice_the_positives_below(row: Any, positives: Any, registers: bool) -> int:
    """Sum #{p < s} + #{p <= s} over the scores s of `row`, exactly, for sorted `positives`.

    `row` is C-contiguous; with `registers`, where the host has them, a multiple of a vector long.
    """
    at_once = 2 * width(address(row)) - 1
    if SEARCHES and registers and positives.size <= PASSES * at_once:
        return search(row, positives, at_once)
    reach = positives[-1] - positives[0]
    if positives.size <= DIRECT or not reach < np.inf:
        return compare_directly(row, positives)
    return look_up(row, positives, reach)


@called
def search(row: Any, positives: Any, at_once: int) -> int:
    """Search `at_once` positives at a time for every score."""
    total = 0
    table = np.empty(at_once + 1, row.dtype)
    for first in range(0, positives.size, at_once):
        count = min(at_once, positives.size - first)
        repeated = False
        for j in range(count):
            table[j] = positives[first + j]
            repeated |= j > 0 and table[j] == table[j - 1]
        table[count:] = np.inf
        if repeated:
            total += ranks(address(row), 0, row.size, address(table), 0, True)
        else:
            total += ranks(address(row), 0, row.size, address(table), 0, False)
    return total


@compiled
def compare_directly(row: Any, positives: Any) -> int:
    """Compare every score with every positive: P vector compares a score, no branches."""
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
    """Find each score's interval in a table; compare exactly only where a positive shares it.

    The map from score to interval is monotone in floating point too, so a score in a lower interval
    is lower. Interval 0 is all that lies below the least positive, the last one all above the
    greatest. A table of 512 intervals for each positive leaves few scores to compare.
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
