"""The methods of this package that rank new items, and what all entrants share.

An entrant fits a setting; a fit gives the users' factors, the items' factors, and the factors of new
items by each way that it offers. All draw the mean of the ridge over items, and the feature weight as a
multiple of it, from the same ranges. The other libraries are in `others`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.features.data import Attributed
from halfstep.types import Floats

FACTORS = (32, 64)
EPOCHS = (4, 8, 16)
THREADS = 2
Setting = dict[str, Any]


@dataclass
class Fit:
    """The outcome of one fit: factors, and those of the new items by the name of the way to get them."""

    users: Floats
    items: Floats
    new: dict[str, Floats]


def drawn(rng: np.random.Generator, data: Attributed) -> Setting:
    """Draw one setting; each entrant takes what it has."""
    return {
        "factors": int(rng.choice(FACTORS)),
        "scaling": str(rng.choice(["none", "log"])) if data.counts else "none",
        "background": _log_uniform(rng, 3e-3, 0.3),
        "ridge": _log_uniform(rng, 0.1, 100),
        "exponent": float(rng.choice([0, 0.5, 1])),
        "epochs": int(rng.choice(EPOCHS)),
        "constant": bool(rng.random() < 0.5),
        "mu": _log_uniform(rng, 0.03, 30),
        "side": _log_uniform(rng, 0.1, 300),
    }


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def weights(train: sparse.csr_matrix, scaling: str) -> sparse.csr_matrix:
    """Return the weights of the entries: 1, or log(1 + value)."""
    scaled = train.astype(np.float32)
    scaled.data = np.log1p(scaled.data) if scaling == "log" else np.ones_like(scaled.data)
    return scaled


def coefficient(train: sparse.csr_matrix, setting: Setting) -> float:
    """Return the coefficient of (n + background N)^exponent whose mean over items is the ridge."""
    return float(setting["ridge"] / frequency(train, setting).mean())


def frequency(train: sparse.csr_matrix, setting: Setting) -> Floats:
    """Return (n + background N)^exponent of each item, (items,)."""
    users, items = train.shape
    n = np.bincount(train.indices, minlength=items)
    scaled: Floats = (n + setting["background"] * users) ** setting["exponent"]
    return scaled


class Entrant:
    """One that can always take part."""

    def unavailable(self) -> str | None:
        """Return why it cannot take part, or None."""
        return None


class Halfstep(Entrant):
    """The default solver of this package."""

    name = "halfstep"

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Fit, and calculate new items by their attributes alone.

        A setting may have a column of ones among the attributes, as `halfstep.datasets.features` has.
        """
        if setting["constant"]:
            attributes, new = (None if one is None else with_ones(one) for one in (attributes, new))
        model = self.solver(train, setting, attributes is not None, seed)
        given = {} if attributes is None else {"item_features": attributes}
        model.fit(weights(train, setting["scaling"]), show_progress=False, **given)
        ways = {}
        if new is not None:
            factors = model.recalculate_item(np.arange(new.shape[0]), None, item_features=new)
            ways["halfstep"] = np.asarray(factors)
        return Fit(np.asarray(model.user_factors), np.asarray(model.item_factors), ways)

    def solver(self, train: sparse.csr_matrix, setting: Setting, featured: bool, seed: int) -> Any:
        """Return the solver of a setting: logarithms are in the weights that it is given."""
        from halfstep import AlternatingLeastSquares

        log = setting["scaling"] == "log"
        # Confidence 1 + alpha w is 1/background times that of the others.
        scale = 1 / setting["background"] if log else 1.0
        chosen: Setting = (
            {"confidence": "linear", "alpha": scale}
            if log
            else {"confidence": "binary", "background": setting["background"]}
        )
        a0 = 1.0 if log else setting["background"]
        whole = coefficient(train, setting | {"background": a0}) * scale
        if featured:
            chosen["feature_regularization"] = strength(setting) * scale
        return AlternatingLeastSquares(
            factors=setting["factors"],
            regularization=whole,
            regularization_exponent=setting["exponent"],
            iterations=setting["epochs"],
            num_threads=THREADS,
            random_state=seed,
            **chosen,
        )


class TwoStages(Entrant):
    """The default solver without attributes, then a ridge regression of the items' factors on them."""

    name = "two stages"

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Weight the items of the regression by their lambda, as the joint objective does."""
        assert attributes is not None
        assert new is not None
        fit = Halfstep().fit(train, None, None, setting, seed)
        lam = coefficient(train, setting) * frequency(train, setting)
        G = attributes.astype(np.float64)
        system = (G.T @ sparse.diags(lam) @ G).toarray() + strength(setting) * np.eye(G.shape[1])
        V = np.linalg.solve(system, G.T @ (lam[:, None] * fit.items))
        return Fit(fit.users, fit.items, {"two stages": new @ V})


class Content(Entrant):
    """No factors: a user is the sum of the attributes of its items, a new item its attributes."""

    name = "content"

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Weight each attribute by its rarity to a drawn power; nothing is learnt."""
        assert attributes is not None
        assert new is not None
        often = np.bincount(attributes.indices, minlength=attributes.shape[1])
        rarity = np.log((1 + attributes.shape[0]) / (1 + often))
        power = sparse.diags((rarity ** (2 * setting["exponent"])).astype(np.float32))
        profile = (weights(train, setting["scaling"]) @ attributes @ power).toarray()
        return Fit(profile, np.empty((0, 0)), {"content": new.toarray()})


def with_ones(attributes: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return attributes (rows, q) with a column of ones more."""
    ones = sparse.csr_matrix(np.ones((attributes.shape[0], 1), attributes.dtype))
    return sparse.csr_matrix(sparse.hstack([attributes, ones]))


def strength(setting: Setting) -> float:
    """Return the feature weight mu of a setting."""
    return float(setting["mu"] * setting["ridge"])
