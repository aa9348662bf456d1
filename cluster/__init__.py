"""ALS on more than one machine, over the workers of a Dask cluster: `halfstep.distributed`.

    from halfstep import distributed
    model = distributed.fit("plays/*.parquet", user="user", item="artist", value="plays", folder="fit")

The folder is called `cluster`, since a folder `distributed` at the top of the repository would hide
Dask's package of that name from every Python that starts there. The extra `halfstep[dask]` installs what
this package needs; `halfstep.distributed.fitting` is the fit, `numbering` makes blocks of tables, and
`model` answers for what was fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from halfstep.lazy import offered

if TYPE_CHECKING:
    from halfstep.distributed.fitting.rounds import ClusterLost
    from halfstep.distributed.model import ShardedModel
    from halfstep.distributed.public import fit

_OFFERED = {"ClusterLost": "fitting.rounds", "ShardedModel": "model", "fit": "public"}
__getattr__ = offered(__name__, _OFFERED)
__all__ = ["ClusterLost", "ShardedModel", "fit"]


def __dir__() -> list[str]:
    return sorted({*globals(), *_OFFERED})
