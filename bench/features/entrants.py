"""Who ranks new items by their attributes: other libraries, this one, and simple methods to beat.

An entrant draws settings from its own ranges and fits them; a fit gives the users' factors, the items'
factors, and the factors of new items by each way that it offers. All of them draw the mean weight of the
ridge and the feature weight as a multiple of it, so that no library's range is wider than another's.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.features.data import Attributed
from halfstep.blas import blas_threads
from halfstep.types import Floats

FACTORS = (32, 64)
EPOCHS = 16
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
        "mu": _log_uniform(rng, 0.03, 30),
        "side": _log_uniform(rng, 0.1, 1e3),
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
    users, items = train.shape
    n = np.bincount(train.indices, minlength=items)
    frequency = (n + setting["background"] * users) ** setting["exponent"]
    return float(setting["ridge"] / frequency.mean())


class Irspack:
    """irspack's iALS with features, conjugate gradients of three steps, its loss `IALSPP`."""

    name = "irspack"

    def unavailable(self) -> str | None:
        """Return why it cannot take part, or None."""
        return _missing("irspack")

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Fit, and calculate new items by the library's own way and by the attributes' mean."""
        from halfstep.solvers.peers.irspack_cpu import _ials

        ials = _ials()
        given: Setting = {"prediction_time_max_cg_steps": 5, "prediction_time_ialspp_iteration": 1}
        if attributes is not None:
            given |= {"item_features": attributes, "lambda_item_feature": _strength(setting)}
        with blas_threads(1):
            trainer = ials.IALSTrainer(
                weights(train, setting["scaling"]),
                n_components=setting["factors"],
                alpha0=setting["background"],
                reg=coefficient(train, setting),
                nu=setting["exponent"],
                init_std=0.1,
                solver_type=ials.SolverType.CG,
                max_cg_steps=3,
                ialspp_subspace_dimension=64,
                loss_type=ials.LossType.IALSPP,
                random_seed=seed,
                n_threads=THREADS,
                feature_warmup_epochs=setting.get("warmup", 0),
                **given,
            )
            for _ in range(EPOCHS):
                trainer.run_epoch()
            ways = {}
            if new is not None:
                nobody = sparse.csr_matrix((train.shape[0], new.shape[0]), dtype=np.float32)
                ways["irspack"] = trainer.transform_item(nobody, new)
                ways["irspack, attributes' mean alone"] = trainer.transform_item_feature(new)
        core = trainer.core_trainer
        return Fit(np.array(core.user), np.array(core.item), ways)


class Cmfrec:
    """cmfrec's collective model, which factorises the attributes beside the interactions."""

    name = "cmfrec"

    def unavailable(self) -> str | None:
        """Return why it cannot take part, or None."""
        return _missing("cmfrec")

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Fit with absent attributes as zeros, and calculate new items by the library's own way."""
        from cmfrec import CMF_implicit

        model = CMF_implicit(
            k=setting["factors"],
            lambda_=setting["ridge"] / setting["background"],
            alpha=1 / setting["background"],
            w_item=setting["side"] / setting["background"],
            NA_as_zero_item=True,
            center_I=False,
            niter=EPOCHS,
            use_float=False,  # float32 gives NaN for many settings
            random_state=seed + 1,
            nthreads=THREADS,
        )
        entries = weights(train, setting["scaling"])
        with blas_threads(1):
            model.fit(entries.tocoo(), I=None if attributes is None else attributes.tocoo())
            ways = {}
            if new is not None:
                ways["cmfrec"] = np.stack(
                    [
                        model.item_factors_cold(I_col=row.indices, I_val=row.data)
                        for row in (new[i] for i in range(new.shape[0]))
                    ]
                )
                D, side = model.D_, setting["side"] / setting["background"]
                system = side * D.T @ D
                system += setting["ridge"] / setting["background"] * np.eye(D.shape[1])
                ways["cmfrec, attributes alone"] = new @ np.linalg.solve(system, side * D.T).T
        return Fit(np.array(model.A_), np.array(model.B_), ways)


class Halfstep:
    """This package's default solver."""

    name = "halfstep"

    def unavailable(self) -> str | None:
        """Return why it cannot take part, or None."""
        import inspect

        from halfstep import AlternatingLeastSquares

        known = inspect.signature(AlternatingLeastSquares.fit).parameters
        return None if "item_features" in known else "it has no attributes in this version"

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Fit, and calculate new items by their attributes alone."""
        model = self.solver(train, setting, attributes is not None, seed)
        given = {} if attributes is None else {"item_features": attributes}
        model.fit(weights(train, setting["scaling"]), show_progress=False, **given)
        ways = {}
        if new is not None:
            factors = model.recalculate_item(np.arange(new.shape[0]), None, item_features=new)
            ways["halfstep"] = np.asarray(factors)
        return Fit(np.asarray(model.user_factors), np.asarray(model.item_factors), ways)

    def solver(
        self, train: sparse.csr_matrix, setting: Setting, featured: bool, seed: int
    ) -> Any:
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
            chosen["feature_regularization"] = _strength(setting) * scale
        return AlternatingLeastSquares(
            factors=setting["factors"],
            regularization=whole,
            regularization_exponent=setting["exponent"],
            iterations=EPOCHS,
            num_threads=THREADS,
            random_state=seed,
            **chosen,
        )


class TwoStages:
    """This package without attributes, and then a ridge regression of the items' factors on them."""

    name = "two stages"

    def unavailable(self) -> str | None:
        """Return None: it can always take part."""
        return None

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Weight the items of the regression by their lambda, as the joint objective does."""
        assert attributes is not None and new is not None
        fit = Halfstep().fit(train, None, None, setting, seed)
        users, items = train.shape
        n = np.bincount(train.indices, minlength=items)
        lam = coefficient(train, setting) * (n + setting["background"] * users) ** setting["exponent"]
        G = attributes.astype(np.float64)
        system = (G.T @ sparse.diags(lam) @ G).toarray() + _strength(setting) * np.eye(G.shape[1])
        V = np.linalg.solve(system, G.T @ (lam[:, None] * fit.items))
        return Fit(fit.users, fit.items, {"two stages": new @ V})


class Content:
    """No factors: a user is the sum of the attributes of its items, a new item its attributes."""

    name = "content"

    def unavailable(self) -> str | None:
        """Return None: it can always take part."""
        return None

    def fit(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        new: sparse.csr_matrix | None,
        setting: Setting,
        seed: int = 0,
    ) -> Fit:
        """Weight each attribute by its rarity to a drawn power; nothing is learnt."""
        assert attributes is not None and new is not None
        often = np.bincount(attributes.indices, minlength=attributes.shape[1])
        rarity = np.log((1 + attributes.shape[0]) / (1 + often))
        power = sparse.diags((rarity ** (2 * setting["exponent"])).astype(np.float32))
        profile = (weights(train, setting["scaling"]) @ attributes @ power).toarray()
        return Fit(profile, np.empty((0, 0)), {"content": new.toarray()})


def _strength(setting: Setting) -> float:
    return float(setting["mu"] * setting["ridge"])


def _missing(package: str) -> str | None:
    return None if importlib.util.find_spec(package) else "not installed"


ENTRANTS: dict[str, Any] = {one.name: one for one in (Content(), Irspack(), TwoStages(), Halfstep(), Cmfrec())}
