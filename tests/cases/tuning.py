"""Trials of a search as a store holds them."""

from halfstep.evaluation.tuning.store import Trial


def trial(value, error=0.01, factors=64, iterations=5, pruned=False, **settings):
    """Return a finished trial with one value in each of its six parts."""
    return Trial(0, {}, {"factors": factors, **settings}, pruned, value, error, iterations, 6.0, 0.5,
                 [value] * 6)  # fmt: skip
