"""Options and notes about whom and what an evaluation judges, of `evaluate`, `tune` and `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from halfstep.cli.show import table
from halfstep.plural import counted

if TYPE_CHECKING:
    from halfstep.evaluation.protocols.validation import Newcomers

MinValue = Annotated[
    float | None,
    typer.Option(
        help="Least value of a held-out entry that counts as a hit; all above 0 if not given. The items "
        "of other held-out entries are not ranked."
    ),
]
Overlap = Annotated[
    str,
    typer.Option(
        help="Entries in both parts of data that comes with a split: error, drop (take them out of the "
        "test part) or keep (judge by them, though the model was fitted on them)."
    ),
]


def overlap_of(text: str) -> Any:
    """Return what `--overlap` says, or raise InputError."""
    from halfstep.cli.options import one_of
    from halfstep.evaluation.metrics.judged import OVERLAPS

    return one_of("--overlap", text, OVERLAPS)


def left_out(console: Console, count: int, min_value: float | None) -> None:
    """Print how many held-out entries are no hits because of their value, if there are any."""
    if count:
        what, so, whose, whom = "entry is", "it is no hit", "its item is", "this user"
        if count > 1:
            what, so, whose, whom = (
                "entries are",
                "they are no hits",
                "their items are",
                "these users",
            )
        why = "not above 0" if min_value is None else f"below {min_value:g}"
        console.print(
            f"{count:,} held-out {what} {why}: {so}, and {whose} not ranked for {whom}.",
            highlight=False,
        )


def newcomers(
    console: Console, found: Newcomers | None, *, features: bool = False
) -> dict[str, Any] | None:
    """Print and return how users without history fare; None if there are none.

    `features` says whether the models know features of users.
    """
    if found is None:
        return None
    who = counted(found.users, "users have")
    listed = table(
        f"{who} no entry to learn from, and none of the numbers above counts them",
        "metric",
        *found.means,
        right=found.means,
    )
    for metric in next(iter(found.means.values())):
        listed.add_row(metric, *(f"{of[metric]:.4f}" for of in found.means.values()))
    console.print(listed)
    console.print(
        "A factor model knows nothing of them but their features."
        if features
        else "A factor model knows nothing of them: all their scores are equal, and the metrics are "
        "those of a random order.",
        highlight=False,
    )
    return {"users": found.users, "models": found.means}
