"""The metrics of one model on one part of a protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.evaluation.metrics.auc import lowest_negative_share, sampled_auc
from halfstep.evaluation.metrics.held_out import Evaluation, PerUser, evaluate
from halfstep.evaluation.metrics.inputs import factor_pair
from halfstep.evaluation.metrics.judged import among, judged
from halfstep.evaluation.protocols.draws import IdHashes
from halfstep.evaluation.protocols.part import Part
from halfstep.types import Floats

SAMPLED, LOWEST = "auc sampled", "share above lowest train negative"


@dataclass(frozen=True)
class PartResult:
    """The metrics of one model on one part.

    Attributes
    ----------
    part
        The part's label.
    users
        (users,) the evaluated rows of the original matrix.
    activity
        (users,) number of known entries of each user.
    per_user
        For each metric, its values (users,).
    coverage
        For each list length, the share of the catalogue that is recommended to at least one user.
    without_history
        The rows and metrics of users without an entry in the history, who are not among `users`; None if
        there are none.
    not_relevant
        Held-out entries that were left out of the ranking because of their value.
    beyond, gini
        The lists beside their accuracy; see `halfstep.evaluation.metrics.held_out.Evaluation`.
    """

    part: str
    users: npt.NDArray[np.int64]
    activity: npt.NDArray[np.int64]
    per_user: PerUser
    coverage: dict[int, float]
    without_history: tuple[npt.NDArray[np.int64], PerUser] | None = None
    not_relevant: int = 0
    beyond: PerUser = field(default_factory=dict)
    gini: dict[int, float] = field(default_factory=dict)


def evaluated(
    part: Part,
    factors: tuple[Floats, Floats],
    ks: tuple[int, ...],
    explain_auc: bool,
    seed: int,
    num_threads: int,
    **how: Any,
) -> PartResult:
    """Return the metrics of factors (judged users, f) and (items, f) on a part.

    `explain_auc` adds `SAMPLED` and `LOWEST`, and `how` goes on to
    `halfstep.evaluation.metrics.held_out.evaluate`.
    """
    X, Y = factors
    measured = evaluate(
        X, Y, part.history, part.test, ks=ks, items=part.candidates, num_threads=num_threads,
        beyond=part.train, **how,
    )  # fmt: skip
    others = measured.without_history
    explained: PerUser = {}
    if explain_auc:
        everything = ranked = judged(part.history, part.test, **how)
        of_users, of_items = part.hashes
        Z = Y
        if part.candidates is not None:
            ranked, Z = among(everything, part.candidates), factor_pair(X, Y)[1][part.candidates]
            of_items = of_items[part.candidates]
        ids = IdHashes(of_users, of_items)
        for name, statistic, compared in (
            (SAMPLED, sampled_auc, (Z, ranked.left_out, ranked.held_out, ids)),
            # Its negatives are training items, whatever is ranked.
            (LOWEST, lowest_negative_share, (Y, part.history, everything.held_out, part.hashes)),
        ):
            of, seen, held_out, hashes = compared
            values = statistic(X, of, seen, held_out, user_ids=hashes, random_state=seed)
            # The exact AUC is also 0.5 for a user without negatives.
            explained[name] = np.where(np.isnan(values), 0.5, values)

    def per_user(found: Evaluation) -> PerUser:
        return found.per_user | {name: values[found.users] for name, values in explained.items()}

    return PartResult(
        part=part.label,
        users=part.users[measured.users],
        activity=np.diff(part.history.indptr)[measured.users].astype(np.int64),
        per_user=per_user(measured),
        coverage=measured.coverage,
        without_history=None if others is None else (part.users[others.users], per_user(others)),
        not_relevant=measured.not_relevant,
        beyond=measured.beyond,
        gini=measured.gini,
    )
