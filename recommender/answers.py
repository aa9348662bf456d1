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
    """Why an item has its score: the largest contributions, of as many as `entries`, add up to it."""

    item: Id
    name: str
    score: float
    contributions: list[ScoredItem]
    entries: int
