"""The GPU's top-k by coarse scores: the lists of the other kernel to the bit, from few exact scores."""

from unittest import mock

import numpy as np
import pytest
from cases.gpu import DEVICES, backend_of
from cases.gpu_top_k import CASES, compare, few_are_scored, normal
from emulator import EmulatorBackend, build

from halfstep import SOLVERS
from halfstep.kernels.cuda.backend import using
from halfstep.kernels.device.options import optional
from halfstep.solvers.gpu.device import top_k
from halfstep.solvers.gpu.device.top_k import coarse_group, coarse_line, coarse_shared, device_top_k

ANY = pytest.mark.parametrize("name", ["random", DEVICES[-1]])


@ANY
@pytest.mark.parametrize("case", list(CASES))
def test_lists_scores_and_ties_are_the_same_bits(name, case):
    backend = backend_of(name, multiprocessors=2)
    compare(backend, *CASES[case]())
    assert backend.launched("top_k_coarse") == backend.launched("top_k") == 1


@pytest.mark.kernels
@ANY
@pytest.mark.parametrize("group", [64, 128, 224, 256])
def test_blocks_of_every_size_give_the_same_lists(name, group, monkeypatch):
    monkeypatch.setattr(top_k, "coarse_group", lambda *of: group)
    compare(backend_of(name), *normal(queries=270), 7, {})


@ANY
def test_an_item_that_cannot_enter_is_not_scored(name):
    few_are_scored(backend_of(name))


@ANY
@pytest.mark.parametrize(
    "case", ["normal", "twelve decades", "tiny", "zero rows", "scale: signs", "close"]
)
def test_the_bound_covers_every_score(name, case):
    """x.y <= x'.y' and the columns of the bound, in the copies that the kernels make, and nearly so."""
    backend = backend_of(name)
    X, Y, _, more = CASES[case]()
    scale = more.get("scale")
    there = None if scale is None else backend.to_device(scale)
    made = top_k._halves(
        backend, backend.to_device(X), backend.to_device(Y), None, there, len(X), 64
    )
    x, x_unit, y, y_unit = (backend.to_host(part).astype(np.float64) for part in made)
    x, y, x_unit = x[: len(X)], y[: len(Y)], x_unit[: len(X)]
    units = x_unit[:, None] * np.repeat(y_unit, 64)[None, : len(Y)]
    exact = X.astype(np.float64) @ Y.astype(np.float64).T * (1 if scale is None else scale)
    bound = x @ y.T
    assert np.isfinite(bound).all() == (case != "tiny")
    assert not (bound < exact * units).any()
    if case == "tiny":
        return
    assert (x[~X.any(axis=1)] == 0).all()
    # Two roundings to 11 bits, and sums in float: no more than a small part of the vectors' lengths.
    lengths = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(Y, axis=1)[None]
    lengths *= 1 if scale is None else np.abs(scale)
    top = np.repeat(np.maximum.reduceat(lengths, range(0, len(Y), 64), axis=1), 64, axis=1)
    assert (
        bound - exact * units <= (2e-3 * lengths + 2e-6 * top[:, : len(Y)]) * units + 1e-4
    ).all()


def test_only_float32_on_a_card_that_has_the_instructions():
    if build.why_not():
        pytest.skip(build.why_not())
    for capability, dtype, option, coarse in (
        (80, np.float32, True, True),
        (75, np.float32, True, False),
        (90, np.float64, True, False),
        (90, np.float32, False, False),
    ):
        backend = EmulatorBackend()
        backend.capability = capability
        X, Y = (backend.to_device(part.astype(dtype)) for part in normal(33, 70, 3))
        with optional(*["coarse-top-k"] * option):
            device_top_k(backend, X, Y, 4)
        assert backend.launched("top_k_coarse") == coarse
        assert backend.launched("top_k") == (not coarse)


def test_a_block_has_as_many_queries_as_there_is_room_and_work_for():
    backend = mock.Mock(shared_limit=227 << 10, sm_count=lambda: 132)
    assert [coarse_group(backend, n, 128) for n in (10, 5000, 10_000, 40_000)] == [32, 32, 64, 224]
    assert coarse_group(backend, 1 << 16, 64) == coarse_group(backend, 1 << 16, 256) == 256
    assert coarse_group(backend, 1 << 16, 512) == 64
    assert coarse_group(backend, 1 << 16, 1024) == 0
    for limit in (48 << 10, 99 << 10, 163 << 10, 227 << 10):
        backend.shared_limit = limit
        for f in (1, 12, 13, 64, 128, 256, 700):
            assert coarse_line(f) >= f + 4
            group = coarse_group(backend, 1 << 16, f)
            assert not group or coarse_shared(group, f) <= limit


def test_a_row_that_has_no_room_is_the_other_kernel_s():
    if build.why_not():
        pytest.skip(build.why_not())
    backend = EmulatorBackend()
    compare(backend, *normal(33, 70, 1024), 4, {})
    assert (backend.launched("top_k"), backend.launched("top_k_coarse")) == (2, 0)


@ANY
def test_a_model_answers_alike_with_it(name):
    with using(backend_of(name)) as backend:
        model = SOLVERS["gpu_cholesky"](factors=6)
        model.user_factors, model.item_factors = normal(70, 90, 6)
        asks = (
            lambda: model.recommend(np.arange(70), None, N=7, filter_already_liked_items=False),
            lambda: model.similar_items(np.arange(60), N=5),
            lambda: model.recommend(
                np.arange(70), None, N=9, filter_already_liked_items=False, items=[3, 5, 80, 81]
            ),
        )
        for ask in asks:
            expected = ask()
            before = backend.launched("top_k_coarse")
            with optional("coarse-top-k"):
                found = ask()
            assert backend.launched("top_k_coarse") == before + 1
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)
