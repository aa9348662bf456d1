"""Factors that stay in whitened coordinates, and algebra on the device, through the emulator."""

import numpy as np
import pytest
from cases.solvers import awkward
from emulator import EmulatorBackend, build
from scipy.linalg import cholesky, solve_triangular

from halfstep import SOLVERS
from halfstep.errors import NotFinite, NumericalWarning
from halfstep.kernels.cuda.backend import using
from halfstep.kernels.device.dense import CardAlgebra
from halfstep.kernels.device.options import optional
from halfstep.solvers.gpu import base
from halfstep.solvers.gpu.device.coordinates import Coordinates
from halfstep.solvers.gpu.device.memory import MemoryPlan
from halfstep.solvers.objective import objective
from halfstep.solvers.whitening import unwhitened, whitened

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not())),
]
MILD = {"confidence": "log", "alpha": 1.0, "regularization": 0.3}
RAW = {"confidence": "implicit", "alpha": 40.0, "regularization": 0.3}
WEIGHTS = {"mild": MILD, "raw": RAW, "explicit": {"confidence": "explicit", "regularization": 0.3}}
COMMON = {"factors": 7, "iterations": 4, "random_state": 0}


def fitted(name, matrix, *options, **settings):
    with optional(*options):
        return SOLVERS[name](**{**COMMON, **settings}).fit(matrix, show_progress=False)


def loss_of(model, matrix):
    """Return the float64 objective on the host."""
    return objective(*model.weights(matrix), model.user_factors, model.item_factors)


@pytest.mark.parametrize("exponent", [0.0, 0.5])  # by Cholesky, and by eigenvectors
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("dtype", "allowed"), [("float32", 1e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("option", ["coordinates", "factor-on-card", "both"])
def test_the_objective_is_the_plain_path_s(option, dtype, allowed, weights, exponent, device):
    """With steps to the solution: a rule that ends a row one step earlier would hide the algebra."""
    options = ("coordinates", "factor-on-card") if option == "both" else (option,)
    matrix = awkward(negative=False)
    settings = {
        **WEIGHTS[weights], "regularization_exponent": exponent, "dtype": dtype, "cg_steps": 30,
    }  # fmt: skip
    plain = fitted("gpu_cg_6_split", matrix, **settings)
    other = fitted("gpu_cg_6_split", matrix, *options, **settings)
    assert loss_of(other, matrix) == pytest.approx(loss_of(plain, matrix), rel=allowed)
    assert not other.user_factors[[0, 17]].any()  # rows without entries


@pytest.mark.parametrize("name", ["gpu_cg_2_whitened", "gpu_cg_4_shared", "gpu_cg_7_half"])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_every_whitened_rung_keeps_its_objective_by_its_own_steps(name, weights, device):
    matrix = awkward(negative=False)
    plain = fitted(name, matrix, **WEIGHTS[weights])
    other = fitted(name, matrix, "coordinates", "factor-on-card", **WEIGHTS[weights])
    # Of raw counts some rows take a step more or less where 16 bits round otherwise.
    allowed = (5e-3 if weights == "raw" else 1e-3) if "half" in name else 1e-4
    assert loss_of(other, matrix) == pytest.approx(loss_of(plain, matrix), rel=allowed)


@pytest.mark.parametrize("regularization", [0.0, 0.3])
def test_directions_that_are_dropped_stay_dropped(regularization, device):
    """Without regularisation, with more factors than the rank of the data."""
    matrix = awkward(negative=False)[:, :6].tocsr()
    settings = {"confidence": "log", "dtype": "float64", "cg_steps": 40, "factors": 7}
    plain, other = (
        fitted("gpu_cg_6_split", matrix, *options, **settings, regularization=regularization)
        for options in ((), ("coordinates",))
    )
    assert np.isfinite(other.user_factors).all()
    assert loss_of(other, matrix) == pytest.approx(loss_of(plain, matrix), rel=1e-6)


def counts(device, *options, name="gpu_cg_7_half"):
    """Return the products and the reads of the last iteration of a fit."""
    seen = []
    with optional(*options):
        SOLVERS[name](**COMMON, **MILD).fit(
            awkward(),
            show_progress=False,
            callback=lambda *_: seen.append((len(device.products), device.reads)),
        )
    return tuple(np.subtract(seen[-1], seen[-2]))


def test_an_iteration_s_products_and_waits_are_counted(device):
    assert counts(device) == (6, 3)
    assert counts(device, "coordinates") == (4, 3)
    assert counts(device, "factor-on-card") == (6, 1)
    assert counts(device, "coordinates", "factor-on-card") == (4, 1)
    assert counts(device, "factor-on-card", name="gpu_cholesky") == (4, 1)


@pytest.mark.parametrize("options", [("coordinates",), ("coordinates", "factor-on-card")])
def test_streamed_and_on_two_devices_the_bits_are_the_same(options, monkeypatch):
    matrix = awkward()
    plan = base.plan_memory
    blocks = lambda size, available: MemoryPlan(  # noqa: E731
        60, plan(size, available).parts, available
    )
    found = []
    for places, streamed in ((1, False), (1, True), (2, False), (2, True)):
        with monkeypatch.context() as patch:
            if streamed:
                patch.setattr(base, "plan_memory", blocks)
            with using(*(EmulatorBackend(ordinal=k) for k in range(places))):
                devices = None if places == 1 else [0, 1]
                model = fitted("gpu_cg_7_half", matrix, *options, **MILD, devices=devices)
                found.append((model.user_factors, model.item_factors))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_factors_are_formed_only_when_they_are_read(device):
    matrix = awkward()
    products = []
    with optional("coordinates"):
        model = SOLVERS["gpu_cg_6_split"](**COMMON, **MILD)
        model.fit(
            matrix, show_progress=False, callback=lambda *_: products.append(len(device.products))
        )
        assert isinstance(vars(model)["user_factors"]._device, Coordinates)
        before = len(device.products)
        X, Y = model.user_factors, model.item_factors
        assert len(device.products) == before + 2
        there = [device.to_host(factors) for factors in model.device_factors_]
        again = SOLVERS["gpu_cg_6_split"](**COMMON, **MILD, calculate_training_loss=True)
        again.fit(matrix, show_progress=False, callback=lambda *_: again.user_factors)
    for one, two in zip(
        (X, Y, X, Y), (*there, again.user_factors, again.item_factors), strict=True
    ):
        np.testing.assert_array_equal(one, two)  # to look at them does not change them
    assert again.loss_history_[-1] == pytest.approx(loss_of(model, matrix), rel=1e-6)


def test_a_resumed_fit_agrees_to_rounding(device, tmp_path):
    matrix = awkward()
    settings = {**MILD, "dtype": "float64", "cg_steps": 30}
    whole = fitted("gpu_cg_6_split", matrix, "coordinates", **settings)
    with optional("coordinates"):
        part = SOLVERS["gpu_cg_6_split"](**{**COMMON, "iterations": 2}, **settings)
        part.fit(matrix, show_progress=False, checkpoint=tmp_path / "fit")
        rest = SOLVERS["gpu_cg_6_split"](**COMMON, **settings)
        rest.fit(matrix, show_progress=False, resume=tmp_path / "fit")
    np.testing.assert_allclose(rest.user_factors, whole.user_factors, rtol=0, atol=1e-9)


def test_a_row_that_turns_nan_in_coordinates_is_named(device):
    class Broken(SOLVERS["gpu_cg_5_binned"]):
        calls = 0

        def _advance(self, backend, side, fixed, x):
            super()._advance(backend, side, fixed, x)
            self.calls += 1
            if self.calls == 3:
                backend.copy(x[31:32], backend.to_device(np.full((1, x.shape[1]), np.nan, x.dtype)))

    with optional("coordinates"), pytest.raises(NotFinite) as caught:
        Broken(**COMMON, **MILD).fit(awkward(), show_progress=False)
    assert str(caught.value) == "iteration 1: the user factors of row 31 are not finite"


def before(G, smallest, eps, one_lambda):
    """Return forward, inward, outward, base, slope by the formulas, each in SciPy's own calls."""
    f = len(G)
    if one_lambda:
        lam = max(smallest, float(np.trace(G)) * max(eps * eps, 2.0**-50))
        R = cholesky(G + lam * np.eye(f), check_finite=False)
        inverse = solve_triangular(R, np.eye(f), check_finite=False)
        return inverse, R.T, inverse.T, np.ones(f), np.zeros(f)
    L, Q = np.linalg.eigh(G)
    L = np.maximum(L, 0)
    known = L + smallest > L[-1] * f * (eps if smallest <= 0 else max(eps * eps, 2.0**-52))
    shared = np.where(known, L + smallest, 1.0)
    root = np.sqrt(shared)
    inverse = Q * (known / root)
    base = np.where(known, L, 1.0) / shared
    return inverse, Q * (known * root), inverse.T, base, known / shared


@pytest.mark.parametrize("eps", [2.0**-23, 2.0**-52])
@pytest.mark.parametrize("rank", [3, 12])
@pytest.mark.parametrize(("smallest", "one_lambda"), [(0.7, True), (0.7, False), (0.0, False)])
def test_one_algebra_serves_host_and_device(smallest, one_lambda, rank, eps):
    Y = np.random.default_rng(0).normal(size=(40, rank)) @ np.eye(rank, 12)
    G = 0.3 * Y.T @ Y
    expected = before(G, smallest, eps, one_lambda)
    on_card = CardAlgebra(np, solve_triangular)
    host, card = (
        whitened(G, smallest, eps, one_lambda=one_lambda, **algebra)[:5]
        for algebra in ({}, {"algebra": on_card})
    )
    for one, two, three in zip(expected, host, card, strict=True):
        np.testing.assert_array_equal(one, two)  # bit for bit
        np.testing.assert_allclose(one, three, rtol=0, atol=1e-11 * max(1, np.abs(one).max()))
    for size in (0.0, 2.5):
        vectors = unwhitened(12, size, smallest, eps, algebra=on_card)[3:5]
        floor = size * (eps if smallest <= 0 else eps * eps)
        np.testing.assert_array_equal(vectors, [np.full(12, floor or 1.0), np.ones(12)])


def test_a_failed_factorisation_is_nan():
    class Failing:
        def __init__(self):
            self.linalg = self

        def __getattr__(self, name):
            return getattr(np, name)

        def cholesky(self, A):
            return np.tril(A)

        def eigh(self, A):
            return A[0], A

    algebra = CardAlgebra(Failing(), solve_triangular)
    A = np.array([[4.0, 2, 0], [2, 5, 1], [0, 1, 3]])
    assert np.isnan(algebra.cholesky(A)).all()
    assert np.isnan(algebra.eigh(A)[0]).all()
    assert np.isnan(CardAlgebra(np, solve_triangular).cholesky(A * np.nan)).all()


@pytest.mark.parametrize("name", ["gpu_cg_7_half", "gpu_cholesky"])
@pytest.mark.parametrize("fails_at", [1, 5, 6])
@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_a_fit_whose_factorisation_fails_on_the_device_goes_on_with_the_host_s(
    name, fails_at, exponent, device, monkeypatch
):
    calls = []

    def counted(name):
        whole = getattr(CardAlgebra, name)

        def failing(self, A):
            calls.append(name)
            return whole(self, A * np.nan if len(calls) == fails_at else A)

        return failing

    for part in ("cholesky", "eigh"):
        monkeypatch.setattr(CardAlgebra, part, counted(part))
    settings = {**MILD, "regularization_exponent": exponent, "storage": "float16"}
    if name == "gpu_cholesky":
        del settings["storage"]
    plain = fitted(name, awkward(), **settings)
    with pytest.warns(NumericalWarning, match="done again.*with factorisations on the host"):
        model = fitted(name, awkward(), "factor-on-card", **settings)
    assert len(calls) >= fails_at
    assert len(model.seconds_) == COMMON["iterations"]
    np.testing.assert_allclose(model.user_factors, plain.user_factors, rtol=0, atol=1e-3)


def test_a_row_that_is_not_finite_for_another_reason_still_raises(device):
    class Broken(SOLVERS["gpu_cg_5_binned"]):
        def _finish(self, backend, fixed, x):
            solution = backend.to_host(super()._finish(backend, fixed, x))
            solution[9] = np.nan
            return backend.to_device(solution)

    with (
        optional("factor-on-card"),
        pytest.warns(NumericalWarning, match="row 9"),
        pytest.raises(NotFinite, match="iteration 0: the user factors of row 9"),
    ):
        Broken(**COMMON, **MILD).fit(awkward(), show_progress=False)
