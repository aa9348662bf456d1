"""The check of the arguments that every solver has."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.features.in_fit import check_ridge
from halfstep.solvers.fit.start import check_random_state
from halfstep.solvers.fit.weighing import check_weighing
from halfstep.solvers.inputs import check_dtype, check_integers


def check_arguments(values: dict[str, Any]) -> None:
    """Raise InputError for an argument of `Solver` that breaks its rule."""
    check_integers(values, factors=1, iterations=0, num_threads=0)
    check_weighing(values)
    check_dtype(values["dtype"])
    init_factors, warm_start = values["init_factors"], values["warm_start"]
    if not isinstance(init_factors, tuple | list | None):
        raise InputError(f"init_factors must be (user_factors, item_factors), got {init_factors!r}")
    check_random_state(values["random_state"])
    check_ridge(values["feature_regularization"])
    if not isinstance(warm_start, bool | np.bool_):
        raise InputError(f"warm_start must be True or False, got {warm_start!r}")
