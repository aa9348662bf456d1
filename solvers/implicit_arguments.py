"""The constructor arguments of `implicit` that say how to solve, mapped to a solver.

| given              | solver                                                              |
| ------------------ | ------------------------------------------------------------------- |
| nothing            | the best rung on the best device, as `solver="auto"`                 |
| `use_gpu=True`     | the best rung on a GPU, an error without one, as `solver="gpu"`      |
| `use_gpu=False`    | the best rung on the CPU, as `solver="cpu"`                          |
| `use_cg=True`      | the best rung with conjugate gradients                               |
| `use_cg=False`     | the best rung that is exact, or can be: it gets `exact=True`         |
| `use_native=False` | the best rung in NumPy: `conjugate_gradient`; exact, it is `cholesky` |
| `use_native=True`  | the best compiled rung                                               |

Only what is given counts: the defaults of `implicit` (`use_native=True, use_cg=True`) are what
"nothing" means here as well. With `solver=` as well they must agree with it: `use_gpu=True` beside
`solver="cholesky"` is an error, as is a combination for which there is no rung. (There, a GPU model
takes no notice of `use_cg=False` and `use_native=False`.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.base import Solver

USES = ("use_native", "use_cg", "use_gpu")


def check_uses(uses: Mapping[str, Any]) -> None:
    """Raise InputError unless each is True, False or None."""
    for name, value in uses.items():
        if value is not None and not isinstance(value, bool | np.bool_):
            raise InputError(f"{name} must be True, False or None, got {value!r}")


def suits(solver: type[Solver], uses: Mapping[str, Any]) -> str | None:
    """Return which of the given arguments `solver` contradicts, and by what, or None."""
    known = solver.parameters()
    use_gpu, use_cg, use_native = (uses.get(k) for k in ("use_gpu", "use_cg", "use_native"))
    if use_gpu is not None and bool(use_gpu) != (solver.device == "gpu"):
        return f"use_gpu={use_gpu}: {solver.name!r} runs on the {solver.device.upper()}"
    if use_native is not None and bool(use_native) != solver.native:
        return (
            f"use_native={use_native}: {solver.name!r} is {'' if solver.native else 'not '}compiled"
        )
    if use_cg is not None and "use_cg" not in known:
        if use_cg and "cg_steps" not in known:
            return f"use_cg=True: {solver.name!r} has no conjugate gradients"
        if not use_cg and not (solver.exact_only or "exact" in known):
            return f"use_cg=False: {solver.name!r} does not solve rows exactly"
    return None


def settings_for(
    solver: type[Solver], uses: Mapping[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return `settings` with what the given arguments mean to `solver`, which they suit."""
    use_cg = uses.get("use_cg")
    known = solver.parameters()
    if use_cg is None:
        return settings
    if "use_cg" in known:
        return {**settings, "use_cg": bool(use_cg)}
    if "exact" in known:
        if settings.get("exact", not use_cg) != (not use_cg):
            raise InputError(
                f"use_cg={use_cg} contradicts exact={settings['exact']}: give one of the two"
            )
        return {**settings, "exact": not use_cg}
    return settings
