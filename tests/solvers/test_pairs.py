"""Two numbers in a word: each is read back as near as 16 bits allow, on any processor."""

import numpy as np
import pytest

from halfstep.kernels.cpu.bfloat16 import pack
from halfstep.kernels.cpu.vectors import lanes

V = lanes(4)
LEAST = 2.0**-60


def through(a, b):
    """Return both vectors as the loops read them."""
    source = np.concatenate([a.reshape(-1, V), b.reshape(-1, V)], axis=1)
    words = np.empty(source.size // 2, np.uint32)
    pack(source, words)
    return (words << 16).view(np.float32), words.view(np.float32)


def numbers(rng, size=4096 * V):
    bits = rng.integers(0, 2**32, size, np.uint32)
    found = bits.view(np.float32)
    # A tenth of rounding's reach below the largest, and no infinity or NaN.
    return np.where(np.abs(found) < 3e38, found, np.float32(1))


def test_each_is_next_to_what_was_stored():
    rng = np.random.default_rng(0)
    a, b = numbers(rng), numbers(rng)
    low, high = through(a, b)
    # Half of the last of eight bits, or of a denormal's step.
    allowed = np.maximum(np.abs([a, b]) * 2.0**-8, 2.0**-134)
    assert (np.abs(low - a.astype(np.float64)) <= allowed[0]).all()
    large = np.abs(b) >= LEAST
    assert (np.abs(high - b.astype(np.float64)) <= allowed[1])[large].all()
    assert (np.signbit(high) == np.signbit(b)).all()


def test_next_to_zero_the_upper_one_stays_normal():
    rng = np.random.default_rng(1)
    a = rng.standard_normal(64 * V).astype(np.float32)
    b = (rng.standard_normal(64 * V) * 1e-20).astype(np.float32)
    b[::3] = 0
    _, high = through(a, b)
    assert (np.abs(high) >= LEAST).all()
    assert (np.abs(high) <= LEAST * 1.01).all()


def test_zeros_beside_zeros_are_zeros():
    zeros = np.zeros(V, np.float32)
    for half in through(zeros, zeros):
        assert not half.any()
    low, high = through(zeros, np.full(V, 1e-30, np.float32))
    assert not low.any()
    assert np.allclose(high, 1e-30, rtol=2**-8, atol=0)


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so(bad):
    rng = np.random.default_rng(2)
    good = rng.standard_normal(V).astype(np.float32)
    spoilt = np.full(V, bad, np.float32)
    assert not np.isfinite(through(spoilt, good)[0]).any()
    assert not np.isfinite(through(good, spoilt)[1]).any()
