"""The result of a fit over workers, whose factors stay in files, a shard each.

Begin with `sharded`, the class `ShardedModel`; `stored` reads, copies and gathers it. `record` is its
file `model.json` and `factor_files` are the factors; `copies` takes a model to another folder or into
one process. `recommending` and `evaluating` go over the shards by `tasks`: `ranking` ranks the items
for the users of one, `histories` reads what these have, `held_out` what was held out of them, and
`kept` keeps the items' factors.
"""

from halfstep.lazy import offered

_OFFERED = {"ShardedModel": "sharded"}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
