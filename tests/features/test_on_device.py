"""Fits with attributes on the GPU rungs, resident, streamed and shared by two devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases.gpu import device as on_device
from cases.gpu import using
from emulator import build
from emulator.recording import EmulatorBackend
from features import oracle

from halfstep.solvers import SOLVERS
from halfstep.solvers.gpu.device.audit import device_residuals
from halfstep.solvers.gpu.device.side import Side

pytestmark = pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))

RUNGS = [name for name, rung in SOLVERS.items() if rung.kind == "rung" and rung.device == "gpu"]
ROUNDED = ("gpu_cg_7_half", "gpu_cg_8_tensor", "gpu_cg_9_gramian")


@pytest.fixture
def backend():
    with on_device("forward", multiprocessors=3) as found:
        yield found


def model(name, confidence="implicit", iterations=3, **more):
    settings = {
        "regularization": oracle.LAM,
        "alpha": oracle.alpha(confidence),
        "confidence": confidence,
        "dtype": np.float32,
        "iterations": iterations,
        "init_factors": oracle.start(np.float32),
        "calculate_training_loss": True,
        "feature_regularization": oracle.MU,
    }
    known = SOLVERS[name].parameters()
    if "cg_steps" in known:
        settings["cg_steps"] = 25
    if "relaxation" in known:
        settings["relaxation"] = 1.0
    return SOLVERS[name](oracle.FACTORS, **{**settings, **more})


def close(name, confidence):
    scale = 3.0 if confidence == "explicit" else 1.0
    return scale * (0.05 if name in ROUNDED else 5e-4)


@pytest.mark.parametrize("confidence", ["implicit", "log", "binary", "explicit"])
@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_fits_to_prior_means(name, confidence, backend):
    R, F, G = oracle.data()
    found = model(name, confidence)
    found.fit(R, False, user_features=F, item_features=G)
    expected = oracle.fit(confidence, 3, F, G)
    atol = close(name, confidence)
    np.testing.assert_allclose(found.item_factors, expected.Y, atol=atol)
    np.testing.assert_allclose(found.user_feature_factors, expected.W, atol=atol)
    assert found.loss_history_[-1] == pytest.approx(expected.objective, rel=max(1e-5, atol / 10))


@pytest.mark.parametrize("name", ["gpu_cg_6_split", "gpu_cholesky"])
@pytest.mark.parametrize("confidence", oracle.CONFIDENCES)
def test_streamed_fits_have_the_bits_of_resident_ones(name, confidence, backend, monkeypatch):
    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    resident = model(name, confidence).fit(R, False, **given)
    limited = streamed(monkeypatch, model(name, confidence)).fit(R, False, **given)
    np.testing.assert_array_equal(limited.user_factors, resident.user_factors)
    np.testing.assert_array_equal(limited.item_factors, resident.item_factors)
    assert limited.loss_history_ == pytest.approx(resident.loss_history_, rel=1e-6)


def streamed(monkeypatch, found):
    """Return the model with a plan by which at most forty entries are on the device at a time."""
    plan = type(found)._plan

    def small(self, *args):
        return replace(plan(self, *args), block_entries=40)

    monkeypatch.setattr(type(found), "_plan", small)
    return found


def test_two_devices_have_the_bits_of_one(backend):
    R, F, G = oracle.data()
    given = {"user_features": F, "item_features": G}
    one = model("gpu_cg_6_split").fit(R, False, **given)
    with using(*(EmulatorBackend(ordinal=k) for k in range(2))):
        two = model("gpu_cg_6_split", devices=[0, 1]).fit(R, False, **given)
        np.testing.assert_array_equal(two.user_factors, one.user_factors)
        np.testing.assert_array_equal(two.item_feature_factors, one.item_feature_factors)


@pytest.mark.parametrize("name", ["gpu_cg_5_binned"])
def test_attributes_of_zero_change_no_bit(name, backend):
    R, F, _ = oracle.data()
    with_zeros = model(name).fit(R, False, user_features=F * 0)
    without = model(name).fit(R, False)
    np.testing.assert_array_equal(with_zeros.user_factors, without.user_factors)


def test_the_audit_counts_the_pull(backend):
    R, F, G = oracle.data()
    found = model("gpu_cholesky", iterations=4)
    found.fit(R, False, user_features=F, item_features=G)
    users, items = found.weights(R, user_features=F, item_features=G)
    side = Side.upload(backend, users)
    Y = backend.to_device(items.warm(found.item_factors))
    solved = found._solved(backend, side, Y, backend.to_device(found.user_factors), iteration())
    assert device_residuals(backend, side, solved, Y).max() < 1e-4
    moved = backend.to_device(backend.to_host(solved) * np.float32(1.01))
    assert device_residuals(backend, side, moved, Y).max() > 1e-3


def iteration():
    from halfstep.solvers.gpu.device.tally import Iteration

    return Iteration()


@pytest.mark.parametrize("name", ["gpu_cg_5_binned", "gpu_cg_7_half"])
@pytest.mark.parametrize("confidence", ["implicit", "explicit"])
def test_a_half_step_alone_has_the_pull(name, confidence, backend):
    R, F, _ = oracle.data()
    found = model(name, confidence)
    exact = SOLVERS["cholesky"](
        oracle.FACTORS, regularization=oracle.LAM, confidence=confidence,
        alpha=oracle.alpha(confidence),
    )  # fmt: skip
    users, _ = exact.weights(R, user_features=F)
    users.prior.W = np.random.default_rng(1).standard_normal((7, oracle.FACTORS)).astype("f4")
    X, Y = (np.random.default_rng(2).random((n, oracle.FACTORS), "f4") for n in R.shape)
    expected = exact.half_step(users.fixing(Y), X)
    np.testing.assert_allclose(found.half_step(users.fixing(Y), X), expected, atol=0.02)
