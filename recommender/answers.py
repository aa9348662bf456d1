"""What a recommender answers with: external ids, names and numbers."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Id: TypeAlias = int | str


class ScoredItem(NamedTuple):
    """An item with a number.

    Attributes
    ----------
    item : int or str
        The external id.
    name : str
        "" if it has no name.
    score : float
        A score, a cosine, or what it adds to another's score.

    See Also
    --------
    halfstep.Recommender.recommend : Returns a list of them.

    Examples
    --------
    >>> from halfstep.recommender import ScoredItem
    >>> ScoredItem(31, "Gentle Candles", 0.29).name
    'Gentle Candles'
    """

    item: Id
    name: str
    score: float


class OwnedItem(NamedTuple):
    """An item that a user has, with its value.

    Attributes
    ----------
    item : int or str
        The external id.
    name : str
        "" if it has no name.
    value : float
        The value in the data, such as a number of plays.

    See Also
    --------
    halfstep.Recommender.owned : Returns a list of them.

    Examples
    --------
    >>> from halfstep.recommender import OwnedItem
    >>> item, name, value = OwnedItem("B07", "", 3.0)
    >>> value
    3.0
    """

    item: Id
    name: str
    value: float


class ScoredUser(NamedTuple):
    """A user with the cosine of the factors.

    Attributes
    ----------
    user : int or str
        The external id.
    score : float
        The cosine.

    See Also
    --------
    halfstep.Recommender.similar_users : Returns a list of them.

    Examples
    --------
    >>> from halfstep.recommender import ScoredUser
    >>> ScoredUser("ada", 0.91)._asdict()
    {'user': 'ada', 'score': 0.91}
    """

    user: Id
    score: float


class Explanation(NamedTuple):
    """Why an item has its score: what each of the user's items adds, and what the fit left unsolved.

    Attributes
    ----------
    item : int or str
        The external id.
    name : str
        "" if it has no name.
    score : float
        By the fitted factors, as `recommend` gives it. Of a user whom the fit had no entries of, the
        score of the user solved anew.
    contributions : list of ScoredItem
        The largest, of as many as `entries`. All of them add up to the score of the user solved anew
        from the entries with the items fixed.
    entries : int
        How many items the user has.
    unsolved : float
        `score` less the score of the user solved anew: the items moved after the user's last
        half-step, and a fit by few steps or with over-relaxation leaves users a little off their
        solution. Where the history is not the fit's, it is what the new entries would change, too.
    has_attributes : bool
        Whether the fit knew attributes of users: what they gave is part of `unsolved` here, and
        `explain_features` of the model names it.

    See Also
    --------
    halfstep.Recommender.explain : Returns it.

    Notes
    -----
    Hu, Koren and Volinsky, "Collaborative filtering for implicit feedback datasets", 2008, sec. 5.

    Examples
    --------
    >>> from halfstep.recommender import Explanation, ScoredItem
    >>> Explanation._fields[:3]
    ('item', 'name', 'score')
    """

    item: Id
    name: str
    score: float
    contributions: list[ScoredItem]
    entries: int
    unsolved: float = 0.0
    has_attributes: bool = False
