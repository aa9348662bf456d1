"""Other libraries that rank new items by attributes, and the list of all entrants.

irspack minimises half of this package's objective with attributes: its `lambda_item_feature` is mu, its
ridge (n + alpha0 N)^nu reg, which is also the weight of the distance to the attributes' mean. It solves
a new item as one that nobody took, with that mean as its prior:

    (alpha0 X'X + lambda I) y = lambda V'g      with lambda = reg (alpha0 N)^nu

cmfrec factorises the attributes beside the interactions, with the items' factors in both products; a
weight w of the attributes, one ridge for all matrices, and no scaling by frequency:

    sum c (p - x.y)^2 + w sum |g - D y|^2 + lambda (|X|^2 + |Y|^2 + |D|^2)

Its new item is (X'X + w D'D + lambda I) y = w D'g. Absent attributes count as zeros here.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.bench.features.entrants import (
    THREADS,
    Content,
    Fit,
    Halfstep,
    Setting,
    TwoStages,
    coefficient,
    strength,
    weights,
)
from halfstep.blas import blas_threads


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
            given |= {"item_features": attributes, "lambda_item_feature": strength(setting)}
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
            for _ in range(setting["epochs"]):
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
        model = self._fitted(train, attributes, setting, seed, use_cg=True)
        if not np.isfinite(model.A_).all():
            model = self._fitted(train, attributes, setting, seed, use_cg=False)
        ways = {}
        if new is not None:
            rows = (new[i] for i in range(new.shape[0]))
            ways["cmfrec"] = np.stack(
                [model.item_factors_cold(I_col=row.indices, I_val=row.data) for row in rows]
            )
            loadings, side = model.D_, setting["side"]
            system = side * loadings.T @ loadings
            system += setting["ridge"] / setting["background"] * np.eye(len(system))
            ways["cmfrec, attributes alone"] = new @ np.linalg.solve(system, side * loadings.T).T
        return Fit(np.array(model.A_), np.array(model.B_), ways)

    def _fitted(
        self,
        train: sparse.csr_matrix,
        attributes: sparse.csr_matrix | None,
        setting: Setting,
        seed: int,
        use_cg: bool,
    ) -> Any:
        """Return a fitted model, exact or by conjugate gradients: these give NaN for some settings."""
        from cmfrec import CMF_implicit

        model = CMF_implicit(
            k=setting["factors"],
            lambda_=setting["ridge"] / setting["background"],
            alpha=1 / setting["background"],
            w_item=setting["side"],
            NA_as_zero_item=True,
            center_I=False,
            niter=setting["epochs"],
            use_cg=use_cg,
            use_float=False,  # float32 gives NaN for many settings
            random_state=seed + 1,
            nthreads=THREADS,
        )
        entries = weights(train, setting["scaling"]).tocoo()
        with blas_threads(1):
            model.fit(entries, I=None if attributes is None else attributes.tocoo())
        return model


def _missing(package: str) -> str | None:
    return None if importlib.util.find_spec(package) else "not installed"


ENTRANTS: dict[str, Any] = {
    one.name: one for one in (Content(), Irspack(), TwoStages(), Halfstep(), Cmfrec())
}
