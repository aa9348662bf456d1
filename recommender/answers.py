"""What a recommender answers with: external ids, names and numbers."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Id: TypeAlias = int | str


class ScoredItem(NamedTuple):
    """An item ("" if it has no name) with a score, a cosine, or what it adds to another's score."""

    item: Id
    name: str
    score: float


class OwnedItem(NamedTuple):
    """An item that a user has, with its value."""

    item: Id
    name: str
    value: float


class ScoredUser(NamedTuple):
    """A user with the cosine of the factors."""

    user: Id
    score: float


class Explanation(NamedTuple):
    """Why an item has its score: what each of the user's items adds, and what the fit left unsolved.

    Attributes
    ----------
    score
        By the fitted factors, as `recommend` gives it. Of a user whom the fit had no entries of, the
        score of the user solved anew.
    contributions
        The largest, of as many as `entries`. All of them add up to the score of the user solved anew
        from the entries with the items fixed.
    unsolved
        `score` less the score of the user solved anew: the items moved after the user's last
        half-step, and a fit by few steps or with over-relaxation leaves users a little off their
        solution. Where the history is not the fit's, it is what the new entries would change, too.
    has_attributes
        Whether the fit knew attributes of users: what they gave is part of `unsolved` here, and
        `explain_features` of the model names it.
    """

    item: Id
    name: str
    score: float
    contributions: list[ScoredItem]
    entries: int
    unsolved: float = 0.0
    has_attributes: bool = False
