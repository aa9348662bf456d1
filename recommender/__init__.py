"""A model that stands alone: factors, external ids, names, and what each user has, in one file.

    from halfstep import Recommender
    recommender = Recommender.fit(dataset, factors=64, confidence="log")
    recommender.save("model.npz")
    Recommender.load("model.npz").recommend("user 7", n=10)

`recommender` has the class, `stored` what makes, saves and loads it, and `histories` what its users
have and whom they are like. `catalogue` finds users and items by id or name, with the arrays of `named`;
`matching` takes from other data what the model knows, `archive` is the file, `new_users` makes the row
of somebody new, and `explaining` says what a user's items add to a score. `lists` ranks for many users
in blocks and `writing` writes their lists; `tables` reads small tables of items or of users, `answers`
is what comes back.
"""

from halfstep.lazy import offered

_OFFERED = {
    "Catalogue": "catalogue",
    "Explanation": "answers",
    "OwnedItem": "answers",
    "Recommender": "recommender",
    "ScoredItem": "answers",
    "ScoredUser": "answers",
}
__all__ = sorted(_OFFERED)
__getattr__ = offered(__name__, _OFFERED)
