"""What more threads gain: Amdahl's law, and the serial fraction that two measurements give.

An iteration of which the share s is serial takes T(n) = T(1) (s + (1 - s) / n) on n threads. From T(1)
and T(n) this gives s = (n T(n) / T(1) - 1) / (n - 1), and no number of threads gains more than 1 / s.
What is not serial but slows down all the same, such as memory that the threads share, counts as serial
too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def serial_fraction(one: Sequence[float], many: Sequence[float], threads: int) -> float:
    """Return s from the seconds with one thread and with several, round by round; their median.

    It can be below 0 where rounding or a noisy machine makes n threads more than n times as fast.
    """
    if threads < 2:
        raise ValueError(f"threads must be at least 2, got {threads}")
    ratios = [b / a for a, b in zip(one, many, strict=True)]
    return float(np.median([(threads * ratio - 1) / (threads - 1) for ratio in ratios]))


def speed_up(serial: float, threads: int) -> float:
    """Return how many times as fast n threads are as one, by the law."""
    s = min(1.0, max(0.0, serial))
    return 1 / (s + (1 - s) / threads)


def thread_counts(most: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... and `most` itself."""
    return tuple(sorted({2**k for k in range(most.bit_length())} | {most}))
