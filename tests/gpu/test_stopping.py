"""The stopping rule on the GPU's rungs, emulated or on a card: who ends when, and what the fit says."""

import numpy as np
import pytest
from cases.gpu import DEVICES, backend_of, device, kernels_of, mostly_long
from cases.gpu_stopping import (
    KINDS,
    LENGTHS,
    MOST,
    RULED,
    THETA,
    fit_to_compare,
    judge,
    outcome,
    plays,
    rows,
)
from cases.sanitizer_program import short_hubs
from scipy import sparse

from halfstep import SOLVERS, InputError
from halfstep.errors import NumericalWarning
from halfstep.kernels.cuda.backend import using
from halfstep.solvers.fit.stopping import LAST_STEP, THETA_EXPLICIT
from halfstep.solvers.gpu.cg_5_binned import SHORT, _rank
from halfstep.solvers.inputs import as_csr


@pytest.fixture(params=["random", DEVICES[-1]])
def backend(request):
    with short_hubs(), device(request.param) as found:
        yield found


@pytest.mark.parametrize("exponent", mostly_long([0.0, 0.5], 0.0))
@pytest.mark.parametrize("dtype", mostly_long(["float32", "float64"], "float32"))
@pytest.mark.parametrize("name", mostly_long(RULED, "gpu_cg_5_binned", "gpu_cg_8_tensor"))
def test_every_row_goes_as_far_as_it_must_and_no_further(name, dtype, exponent, backend):
    found = judge(name, dtype=dtype, exponent=exponent)
    assert {1, 2} < set(found.steps)
    assert 18 <= found.steps.max() < MOST
    kernels = {launch.kernel for launch in backend.launches}
    assert kernels >= {*kernels_of(name, dtype), "row_weights"}
    assert ("cg_6_advance" in kernels) == (name != RULED[0])


@pytest.mark.kernels
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RULED)
def test_rows_with_heavy_entries_go_further(name, dtype, backend):
    found = judge(name, f=17, dtype=dtype, cg_tolerance=None)
    assert 0 < found.heavy.sum() < len(found.heavy)
    before = judge(name, f=17, dtype=dtype)
    assert found.steps[found.heavy].sum() > before.steps[found.heavy].sum()
    np.testing.assert_array_equal(found.steps[~found.heavy], before.steps[~found.heavy])
    assert backend.launched("heavy_rows") == 1  # with one theta for all rows nothing is looked for


def test_a_side_of_few_rows_is_solved_further(backend):
    matrix, settings = (
        plays(users=12),
        {"factors": 6, "confidence": "linear", "iterations": 1, "random_state": 0},
    )
    few, many = (SOLVERS[RULED[0]](**settings, **more) for more in ({}, {"cg_tolerance": 0.05}))
    for model in (few, many):
        model.fit(matrix, show_progress=False)
    assert few.report_[0].users.steps > many.report_[0].users.steps
    by_hand = SOLVERS[RULED[0]](**settings, cg_tolerance=0.001)
    by_hand.fit(matrix, show_progress=False)
    assert few.report_[0].users == by_hand.report_[0].users


@pytest.mark.kernels
@pytest.mark.parametrize("order", ["forward", "reverse", "warp-random"])
@pytest.mark.parametrize("name", RULED)
def test_the_rule_holds_in_every_order_of_threads(name, order):
    with short_hubs(), device(order):
        judge(name)


@pytest.mark.parametrize("name", mostly_long(RULED, "gpu_cg_5_binned"))
def test_a_smaller_tolerance_goes_further_and_a_limit_ends_it(name, backend):
    strict = outcome(name, dtype="float64", cg_tolerance=1e-3)
    usual = outcome(name, dtype="float64", cg_tolerance=THETA)
    assert (strict.steps >= usual.steps).all()
    assert (strict.rest <= 1e-3 * strict.gain + 1e-9)[usual.kinds != "negative"].all()
    limited = judge(name, dtype="float64", cg_max_steps=4)
    assert limited.steps.max() == 4
    assert (limited.steps == np.minimum(usual.steps, 4)).all()


@pytest.mark.parametrize("name", RULED)
def test_a_number_of_steps_still_means_that_number(name, backend):
    for steps in (1, 3):
        found = outcome(name, cg_steps=steps)
        assert (found.steps[found.expected >= steps] == steps).all()
        assert (found.steps <= steps).all()  # fewer where what is left is rounding
    assert not backend.launched("row_weights")
    if name != RULED[0]:
        assert backend.launched("cg_6_advance") == 4


@pytest.mark.kernels
@pytest.mark.parametrize("name", RULED)
def test_a_row_s_bits_do_not_depend_on_its_neighbours(name, backend):
    """Rows in another order share their warps with others, which may go on longer than they do."""
    matrix, _, Y, start = rows(33)
    model = SOLVERS[name](factors=33)
    turned = np.random.default_rng(1).permutation(len(start))
    solutions = []
    for order in (np.arange(len(start)), turned, turned[: len(turned) // 2]):
        users, _ = model.weights(as_csr(matrix[order]))
        problem = users.fixing(Y.astype(np.float32))
        solutions.append(model.half_step(problem, start[order].astype(np.float32)))
    np.testing.assert_array_equal(solutions[1], solutions[0][turned])
    np.testing.assert_array_equal(solutions[2], solutions[0][turned[: len(turned) // 2]])


@pytest.mark.kernels
@pytest.mark.parametrize("name", RULED)
def test_a_fit_of_raw_counts_is_as_good_as_exact_half_steps_relaxed_alike(name, backend):
    matrix, settings, exact = fit_to_compare()
    ruled = SOLVERS[name](**settings).fit(matrix, show_progress=False)
    assert ruled.loss_history_[-1] < 1.01 * exact
    two = SOLVERS[name](cg_steps=2, **settings).fit(matrix, show_progress=False)
    assert two.loss_history_[-1] > 1.05 * exact


@pytest.mark.parametrize("name", mostly_long(RULED, "gpu_cg_5_binned"))
def test_the_report_says_what_the_objective_says(name, backend):
    """Without over-relaxation, what an iteration gained is what the objective lost."""
    matrix = plays(60, 50)
    settings = {"factors": 7, "iterations": 3, "random_state": 0, "dtype": "float64"}
    model = SOLVERS[name](**settings, relaxation=1.0, calculate_training_loss=True)
    model.fit(matrix, show_progress=False)
    assert len(model.report_) == 3
    first, second = model.loss_history_[:2]
    halves = model.report_[1]
    assert sum(half.gained for half in halves) == pytest.approx(first - second, rel=1e-9)
    for half, lengths in zip(halves, (matrix.getnnz(1), matrix.getnnz(0)), strict=True):
        assert half.rows == half.stepped == np.count_nonzero(lengths)
        assert half.rows <= half.steps <= half.rows * half.most_steps
        assert 1 < half.most_steps < MOST
        assert half.unsolved == 0
        assert 0 < half.left <= 0.05 * half.gained
    assert backend.launched("tally") == 6

    with pytest.warns(NumericalWarning, match="took all of 1 steps"):
        limited = SOLVERS[name](**settings, cg_max_steps=1).fit(matrix, show_progress=False)
    assert all(0 < half.unsolved < half.rows for half in limited.report_[1])
    assert all(half.steps == half.rows for half in limited.report_[1])
    fixed = SOLVERS[name](**settings, cg_steps=1).fit(matrix, show_progress=False)
    assert all(half.unsolved == 0 and half.most_steps == 1 for half in fixed.report_[1])
    assert fixed.report_[0].users.left == limited.report_[0].users.left > 0


def test_the_report_is_the_same_in_parts(backend, monkeypatch):
    monkeypatch.setattr("halfstep.solvers.gpu.cg_6_split.LONGEST", 8)
    settings = {"factors": 7, "iterations": 2, "random_state": 0, "dtype": "float64"}
    matrix = plays(60, 50)
    whole = SOLVERS[RULED[1]](**settings).fit(matrix, show_progress=False)
    devices = [
        backend_of("cupy" if backend.name == "cupy" else "forward", ordinal=k) for k in range(3)
    ]
    with using(*devices):
        parts = SOLVERS[RULED[1]](**settings, devices=[0, 1, 2]).fit(matrix, show_progress=False)
    for one, other in zip(whole.report_, parts.report_, strict=True):
        for half, same in zip(one, other, strict=True):
            assert vars(same) == pytest.approx(vars(half), rel=1e-12)
    pairs = [there.launched("cg_6_advance") for there in devices]
    assert (
        max(pairs) % MOST == 0 < max(pairs)
    )  # nobody waits for a device to say that hubs have ended


def test_hubs_are_launched_until_the_last_one_has_ended(backend):
    mild = as_csr(sparse.csr_matrix(np.ones((3, 200))))
    heavy = mild.copy()
    heavy.data[200:400] = 10.0 ** np.linspace(1, 5, 200)
    Y = np.random.default_rng(0).normal(size=(200, 33)).astype(np.float32)
    launched = []
    for matrix in (mild, heavy):
        model = SOLVERS[RULED[1]](factors=33, confidence="linear")
        before = backend.launched("cg_6_product")
        users, _ = model.weights(matrix)
        model.half_step(users.fixing(Y), np.ones((3, 33), np.float32))
        launched.append(backend.launched("cg_6_product") - before)
    assert launched[0] == 6
    assert 6 < launched[1] < MOST
    assert (launched[1] - 6) % 4 == 0


def test_short_rows_lie_by_length_and_weight_and_longer_ones_by_length():
    lengths = np.array([0, 3, 3, 3, 16, 16, 17, 17, 5000, 10**6])
    sums = np.array([0, -1.0, 5.0, 3e38, 1e-30, 1.0, 1e30, 0, 0, np.inf])
    rank = _rank(lengths, sums)
    assert rank.dtype == np.uint16
    assert (np.diff(rank.astype(int)) >= 0).all()
    assert rank[1] < rank[2] < rank[3] < rank[4] < rank[5] < rank[6] == rank[7] < rank[8]
    assert (np.diff(_rank(lengths, None).astype(int)) >= 0).all()
    same = np.full(4, SHORT)
    assert len(set(_rank(same, np.array([1.0, 1.1, 1.6, 2.1])))) == 3  # classes of half an octave


@pytest.mark.parametrize("name", RULED)
def test_arguments_that_break_the_rule_are_refused(name):
    for settings, said in (
        ({"cg_tolerance": 1.0}, "cg_tolerance must be between 0 and 1, got 1.0"),
        ({"cg_max_steps": 0}, "cg_max_steps must be at least 1, got 0"),
        ({"cg_steps": 2, "cg_max_steps": 5}, "cg_max_steps has no meaning with a fixed number"),
    ):
        with pytest.raises(InputError, match=said):
            SOLVERS[name](**settings)
    assert len(KINDS) * len(LENGTHS) == len(rows(33)[1])


def test_explicit_ratings_get_a_smaller_tolerance(backend):
    matrix = plays(20, 15)
    model = SOLVERS[RULED[1]](factors=3, confidence="explicit")
    from halfstep.solvers.gpu.device.side import Side

    side = Side.upload(backend, model.weights(as_csr(matrix))[0])
    assert model._stopping(side).theta == LAST_STEP * THETA_EXPLICIT
