"""Which rows of a side have heavy entries: the stopping rule then asks more of their steps.

`halfstep.solvers.fit.stopping` says why, and `kernels/cuda/heavy.cu` has the kernels. They read each
entry's w and one number of the fixed side, its squared norm: 12 bytes an entry, where a pass over the
row's vectors reads 2 f or 4 f bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.stopping import HEAVY
from halfstep.solvers.gpu.device.side import Side

_WARPS = 8


def squared_norms(backend: Backend, Z: Array, defines: tuple[str, ...], dtype: Any) -> Array:
    """Return the squared length of each row of Z (columns, wide), (columns,) in `dtype`.

    `defines` are those of `heavy_defines`, here and in `rules_of`.
    """
    columns = len(Z)
    norms = backend.empty(columns, dtype)
    backend.launch(
        "heavy.cu",
        "squared_norms",
        defines,
        (-(-columns // _WARPS),),
        (32 * _WARPS,),
        (Z, np.int64(columns), norms),
    )
    return norms


def rules_of(
    backend: Backend,
    side: Side,
    norms: Array,
    basis: Any,
    coordinates: int,
    defines: tuple[str, ...],
    least: Array,
) -> Array:
    """Return each row's least number of steps, and 256 more if it has heavy entries; (rows,) int32.

    Parameters
    ----------
    coordinates
        The number of factors if D differs between coordinates, else 1.
    least
        (rows,) int32, the least number of steps.
    """
    rule = backend.empty(side.rows, np.int32)
    real = np.dtype(norms.dtype).type
    backend.launch(
        "heavy.cu",
        "heavy_rows",
        defines,
        (-(-side.rows // _WARPS),),
        (32 * _WARPS,),
        (
            side.indptr, side.indices, side.w, side.lam, basis.base, basis.slope, norms,
            np.int64(side.rows), np.int32(coordinates), real(HEAVY), least, rule,
        ),
    )  # fmt: skip
    return rule
