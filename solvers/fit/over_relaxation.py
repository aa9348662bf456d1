"""Successive over-relaxation: a row moves beyond its solution, by a factor that follows what is gained.

Let x_0 be a row's factors before the half-step and x the factors that the half-step finds. The row gets
x_0 + omega (x - x_0). `halfstep.solvers.eigenbasis` says why no omega between 0 and 2 ever raises the
objective. So omega is free to follow how the fit goes, without a safeguard.

**Why it pays.** Alternating is block Gauss-Seidel. Near a minimum an iteration multiplies what is left
in each direction by a rate of that direction, and what a fit waits for are the directions whose rate is
near 1. Over-relaxation by omega maps a rate mu^2 to the larger root lambda of (Young 1954)

    (lambda + omega - 1)^2 = lambda omega^2 mu^2

Slow directions become faster until omega is 2 / (1 + sqrt(1 - mu^2)). From there on all directions that
were faster shrink by omega - 1 in an iteration, and a larger omega only slows the fit down.

**What is seen for free.** A half-step knows how much it has lowered the objective (`fit.stopping`). The
gain of an iteration over that of the one before, r, is lambda^2 once the slow directions are what is
left. This gives lambda, mu^2 and with it the best omega.

**The rule** (`omega_of`):

1. The first iteration leads away from the random start, with omega = 1; the second has 1.4.
2. The third has 1.6 if the second gained less than .15 of the first, otherwise 1.4. With weights of
   very different sizes, the first iteration fits what a few heavy entries demand, a large part of the
   objective, and then the fit goes on slowly. (With f = 16 to 128, raw play counts .00 to .17,
   logarithms of counts .12 to 1.2, 0/1 data .16 to 2.5, but .04 to .19 with a background of 0.01.
   Where it is .09 to .16, 1.6 needs .2 to 1.4 iterations fewer than 1.4 on all of eight cells.)
3. The fourth has 1.4 if the third gained more than the second: then the fit is still on its way from the
   start, whatever the first gain said. (Generated counts by their logarithm: 5.0 iterations, where 1.6
   throughout takes 5.8 to 6.0.)
4. From then on, Young's omega, where it is larger, rounded down to tenths, a tenth more at a time and at
   most 1.7. A gain that grows says nothing (r >= 1). Tenths are coarse enough for rounding errors, which
   differ from device to device, to seldom matter.

With f = 64, the objective is within 0.5 % of what exact ALS without over-relaxation has after 15
iterations after 5.8 to 6.7 on raw play counts (a constant 1.4 from the third iteration on: 7.7 to 8.8;
exact ALS itself: 13.7 to 14.7), and after 3.8 to 5.3 with mild weights (3.9 to 5.2; 3.9 to 6.7):
`halfstep bench --suite acceleration`.

**Tried, and no better**, in the same iterations on raw counts, although each of them passes over all
stored entries once more in an iteration: an exact line search along the joint step of both sides, where
the objective is a quartic, 8.3 to 12.0 alone, 6.3 to 6.8 with omega = 1.6 where 1.6 alone has 6.3 to
6.6; nonlinear conjugate gradients with ALS as the preconditioner (Polak-Ribiere), 6.1 to 14.3;
Nesterov's extrapolation with restarts, 8.3 to 9.1; Anderson acceleration of depth 2 to 4, 9.4 to more
than 15, with its copies of the factors. Also tried: Young's omega from the third iteration on, 6.2 to
7.5; an omega of its own for each side, within 0.3 of the same for both.

David M. Young: Iterative methods for solving partial difference equations of elliptic type (1954).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, TypeAlias

from halfstep.errors import InputError

Relaxation: TypeAlias = float | Sequence[float] | None

FEW_STEPS = 3
USUAL = 1.4
FAST, FASTEST = 1.6, 1.7
_HEAVY = 0.15  # of the first iteration's gain, what the second gains at most if weights are heavy
_FIRST_ITERATIONS = 2  # without, where one factor is given for all iterations
_STEP = 10  # a tenth


def check_relaxation(relaxation: Any) -> None:
    """Raise InputError unless `relaxation` is None, between 0 and 2, or a sequence of such numbers."""
    if relaxation is None or _is_factor(relaxation):
        return
    if isinstance(relaxation, Sequence) and not isinstance(relaxation, str | bytes) and relaxation:
        for omega in relaxation:
            if not _is_factor(omega):
                raise InputError(
                    f"relaxation must hold numbers between 0 and 2, got {omega!r} in {relaxation!r}"
                )
        return
    raise InputError(
        "relaxation must be between 0 and 2, or a list with such a number for each iteration, "
        f"got {relaxation!r}"
    )


def settled(relaxation: Relaxation, cg_steps: int | None, *, exact: bool = False) -> Relaxation:
    """Return a rung's argument `relaxation`, or what it means by None; None then is the rule."""
    if relaxation is not None or (cg_steps is None and not exact):
        return relaxation
    # With a fixed number of steps the gains are not known on every device.
    return USUAL if cg_steps is not None and cg_steps <= FEW_STEPS else 1.0


def omega_of(
    relaxation: Relaxation, done: int, omegas: Sequence[float], gains: Sequence[float | None]
) -> float:
    """Return the over-relaxation factor omega of an iteration.

    Parameters
    ----------
    relaxation
        As `settled` returns it: a factor from the third iteration on; or one for each iteration, of
        which the last one goes on. None means the rule.
    done
        The number of whole iterations of the fit so far.
    omegas, gains
        The factors of the iterations before, and what each of these lowered the objective by before
        over-relaxation (None if it is not known). They may be the last iterations alone.
    """
    if isinstance(relaxation, Sequence):
        return float(relaxation[min(done, len(relaxation) - 1)])
    if relaxation is not None:
        return float(relaxation) if done >= _FIRST_ITERATIONS else 1.0
    if done == 0:
        return 1.0
    if done == 1 or len(omegas) < 2:
        return USUAL
    ratio = _ratio(omegas, gains)
    if done == 2:
        return FAST if ratio is not None and ratio < _HEAVY else USUAL
    if done == 3 and ratio is not None and ratio > 1:
        return USUAL
    before = min(max(omegas[-1], USUAL), FASTEST)
    if ratio is None or not 0 < ratio < 1:
        return before
    wanted = math.floor(best_omega(ratio, before) * _STEP) / _STEP
    # Rounded, so that the sums of tenths are the tenths that a user would write.
    return round(max(before, min(wanted, before + 1 / _STEP, FASTEST)), 3)


def best_omega(ratio: float, omega: float) -> float:
    """Return Young's omega, where iterations with `omega` gain `ratio` of what the one before gained."""
    rate = math.sqrt(ratio)
    if rate <= omega - 1:  # no direction is slower than those that omega has slowed down
        return omega
    mu2 = (rate + omega - 1) ** 2 / (rate * omega**2)
    return 2 / (1 + math.sqrt(max(0.0, 1 - mu2)))


def _ratio(omegas: Sequence[float], gains: Sequence[float | None]) -> float | None:
    """Return the last iteration's gain over that of the one before, or None if one is not known."""
    last, before = gains[-1], gains[-2]
    if last is None or before is None or not (last > 0 and before > 0):
        return None
    return last * _kept(omegas[-1]) / (before * _kept(omegas[-2]))


def _kept(omega: float) -> float:
    """Return which part of what a half-step gains is left after over-relaxation."""
    return omega * (2 - omega)


def _is_factor(value: Any) -> bool:
    number: Any = value  # not made a float, which a large integer has none of
    return type(value) is not bool and isinstance(value, Real) and bool(0 < number < 2)
