"""Raw counts with a heavy tail: the GPU is as good as the CPU's default, by objective and by ranking."""

import functools
import warnings

import numpy as np
import pytest
from cases import gpu_gramian
from cases.gpu import device as on_device
from cases.gpu_stopping import plays
from scipy import sparse

from halfstep import SOLVERS, AlternatingLeastSquares, NumericalWarning
from halfstep.evaluation.metrics.held_out import evaluate

SETTINGS = {"factors": 16, "iterations": 10, "random_state": 0, "calculate_training_loss": True}
# The last places where lists of few users may differ: by what one user weighs in a mean.
MARGIN = 0.02
RUNGS = (
    "gpu_cg_5_binned",
    "gpu_cg_6_split",
    "gpu_cg_8_tensor",
    "gpu_cg_9_gramian",
    "gpu_cg_7_half",
)
DEFAULT = RUNGS[-1]


@functools.cache
def split(users, items):
    """Return training counts and held-out entries, a quarter of all."""
    matrix = plays(users, items)
    out = np.random.default_rng(1).random(matrix.nnz) < 0.25
    parts = []
    for part in (~out, out):
        kept = matrix.copy()
        kept.data = np.where(part, matrix.data, 0)
        kept.eliminate_zeros()
        parts.append(sparse.csr_matrix(kept))
    return parts


@functools.cache
def expected(users, items, regularization):
    """Return the objective and the metrics of the CPU's default."""
    train, test = split(users, items)
    model = AlternatingLeastSquares(solver="cpu", regularization=regularization, **SETTINGS)
    model.fit(train, show_progress=False)
    return model.loss_history_[-1], metrics(model, train, test)


def metrics(model, train, test):
    return evaluate(model.user_factors, model.item_factors, train, test, ks=(10,)).means()


def compared(name, users, items, regularization):
    train, test = split(users, items)
    assert train.data.max() > 1000 * np.median(train.data)
    model = SOLVERS[name](regularization=regularization, **SETTINGS)
    with warnings.catch_warnings(), gpu_gramian.exact_from(17, 64):
        # Where 16 bits would cost too much, the fit says so and stores float32.
        warnings.simplefilter("ignore", NumericalWarning)
        model.fit(train, show_progress=False)
    loss, wanted = expected(users, items, regularization)
    assert model.loss_history_[-1] < 1.01 * loss
    found = metrics(model, train, test)
    assert found.keys() == wanted.keys()
    for metric, value in wanted.items():
        assert found[metric] > value - MARGIN, f"{metric}: {found[metric]}, the CPU's {value}"
    return model


@pytest.mark.kernels
@pytest.mark.parametrize(
    ("name", "on"),
    [
        (DEFAULT, "forward"),
        *(pytest.param(name, "forward", marks=pytest.mark.kernels) for name in RUNGS[:-1]),
        *(pytest.param(name, "cupy", marks=pytest.mark.gpu) for name in RUNGS),
    ],
)
def test_the_gpu_is_as_good_as_the_cpu_s_default(name, on):
    with on_device(on):
        compared(name, 400, 300, 1.0)


def test_so_it_is_with_hardly_more_users_than_factors():
    with on_device("forward"):
        compared(DEFAULT, 40, 300, 1.0)


@pytest.mark.gpu
@pytest.mark.parametrize("regularization", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("name", RUNGS)
def test_on_a_card_with_more_of_everything(name, regularization):
    with on_device("cupy"):
        model = compared(name, 2500, 1900, regularization)
        train, test = split(2500, 1900)
        there = evaluate(
            model.user_factors, model.item_factors, train, test, ks=(10,), device="gpu"
        )
    assert there.means() == pytest.approx(metrics(model, train, test), rel=1e-3)
