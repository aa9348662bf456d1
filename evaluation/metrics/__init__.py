"""Held-out quality. Begin with `held_out`, which computes all metrics of the full ranking.

`judged` says whom and what it judges. `ranking` ranks the catalogue for it on the CPU, `ranking_gpu` on
a GPU, and `ties` computes what to expect of equal scores. `sampled` ranks one item
among a few negatives, as some papers do. `auc` has exact and sampled AUC, `activity` splits a mean by
the users' activity, and `intervals` has bootstrap intervals.

To add a metric of a user's top k list, add a line to the dict that `held_out.top_k_metrics` returns, and
a line to the table in the docstring of `evaluate`: `halfstep evaluate` then shows it. Add it to the
oracle of test_metrics.py and to the list of test_metrics_by_hand.py as well. To tune by it, add its name
to `halfstep.evaluation.protocols.early_stopping.METRICS`.
"""

from halfstep.lazy import offered

_OFFERED = {
    "Evaluation": "held_out",
    "evaluate": "held_out",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
