"""Beside the installed `implicit`: names, order, defaults, shapes, dtypes, and the same answers."""

import inspect

import numpy as np
import pytest
from cases.solvers import awkward, dtypes, marks, require, suited
from scipy import sparse

import halfstep
from halfstep import SOLVERS, AlternatingLeastSquares, InputError, Solver
from halfstep.solvers.registry import USES

peer = pytest.importorskip("implicit.cpu.als", reason="implicit is not installed")
Peer = peer.AlternatingLeastSquares


def methods(cls):
    return {
        name: list(inspect.signature(member).parameters.values())
        for name, member in inspect.getmembers(cls, inspect.isroutine)
        if not name.startswith("_")
    }


def test_every_method_has_the_same_parameters_in_the_same_order_with_the_same_defaults():
    ours = methods(Solver)
    for name, theirs in methods(Peer).items():
        # But for the first one, which is the model.
        common = [p for p in ours[name] if p.kind is not p.KEYWORD_ONLY][1:]
        assert [p.name for p in common] == [p.name for p in theirs[1:]], name
        assert [p.default for p in common] == [p.default for p in theirs[1:]], name
    for name in ("user_norms", "item_norms", "YtY", "XtX"):
        assert isinstance(getattr(Solver, name), property)


def test_the_constructor_takes_the_same_arguments_in_the_same_order():
    import implicit.als

    theirs = list(inspect.signature(implicit.als.AlternatingLeastSquares).parameters.values())
    ours = list(inspect.signature(AlternatingLeastSquares).parameters.values())[: len(theirs)]
    assert [p.name for p in ours] == [p.name for p in theirs]
    assert {p.kind for p in ours} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    for mine, their in zip(ours, theirs, strict=True):
        assert mine.default == (None if mine.name in USES else their.default)
    model = AlternatingLeastSquares(7, 0.1, 2.0, np.float64, True, False, False, 3, True, 1, 5)
    assert model.exact
    assert (model.factors, model.iterations, model.random_state) == (7, 3, 5)
    assert model.calculate_training_loss
    with pytest.raises(TypeError, match="positional arguments but 13 were given"):
        AlternatingLeastSquares(*range(12))


@pytest.fixture(params=[np.float32, np.float64])
def pair(request):
    """The same factors in both libraries."""
    matrix = awkward(negative=False)
    theirs = Peer(factors=4, iterations=2, dtype=request.param, random_state=0, num_threads=1)
    theirs.fit(matrix, show_progress=False)
    return halfstep.from_implicit(theirs), theirs, matrix


def calls(matrix):
    users, items, transposed = [9, 1, 30], [4, 3], matrix.T.tocsr()
    return {
        "one": lambda m: m.recommend(9, matrix[9], N=4),
        "numpy scalar": lambda m: m.recommend(np.int64(9), matrix[9], N=4),
        "several": lambda m: m.recommend(users, matrix[users], N=4),
        "one of several": lambda m: m.recommend(np.array([9]), matrix[9], N=4),
        "none": lambda m: m.recommend([], matrix[[]], N=4),
        "liked too": lambda m: m.recommend(9, None, N=4, filter_already_liked_items=False),
        "filtered": lambda m: m.recommend(users, matrix[users], N=4, filter_items=[8, 8, 50]),
        "chosen": lambda m: m.recommend(9, matrix[9], N=4, items=[60, 3, 17, 8, 2, 40]),
        "chosen int32": lambda m: m.recommend(
            users, matrix[users], N=2, items=np.array([60, 3, 17, 8, 2, 40], np.int32)
        ),
        "recalculated": lambda m: m.recommend(users, matrix[users], N=4, recalculate_user=True),
        "similar": lambda m: m.similar_items(4, N=5),
        "similar several": lambda m: m.similar_items(items, N=5, filter_items=[4, 7]),
        "similar chosen": lambda m: m.similar_items(4, N=3, items=[9, 4, 8, 20]),
        "similar recalculated": lambda m: m.similar_items(
            items, 5, recalculate_item=True, item_users=transposed[items]
        ),
        "similar users": lambda m: m.similar_users(9, N=5),
        "similar users several": lambda m: m.similar_users(users, N=5, filter_users=[1]),
        "similar users chosen": lambda m: m.similar_users(users, N=2, users=[9, 1, 22]),
        "user": lambda m: (m.recalculate_user(9, matrix[9]),),
        "users": lambda m: (m.recalculate_user(users, matrix[users]),),
        "item": lambda m: (m.recalculate_item(4, transposed[4]),),
        "items": lambda m: (m.recalculate_item(items, transposed[items]),),
    }


@pytest.mark.parametrize("call", list(calls(awkward())))
def test_answers_are_the_same_in_shape_dtype_and_value(pair, call):
    ours, theirs, matrix = pair
    query = calls(matrix)[call]
    for mine, their in zip(query(ours), query(theirs), strict=True):
        assert mine.shape == their.shape
        assert mine.dtype == their.dtype
        if mine.dtype.kind == "f":
            loose = 1e-2 if ours.dtype == np.float32 else 1e-6
            np.testing.assert_allclose(mine, their, rtol=loose, atol=loose)
        else:
            assert np.array_equal(mine, their)


def test_explanations_are_the_same(pair):
    ours, theirs, matrix = pair
    for item in (3, 40):
        mine, their = (m.explain(9, matrix, item, N=3) for m in (ours, theirs))
        assert mine[0] == pytest.approx(their[0], rel=1e-3, abs=1e-5)
        assert [i for i, _ in mine[1]] == [i for i, _ in their[1]]
        assert [type(v) for v in mine[1][0]] == [type(v) for v in their[1][0]]
        assert type(mine[0]) is type(their[0])
        assert mine[2][0].dtype == their[2][0].dtype
        # Either library's factorisation serves the other.
        again = ours.explain(9, matrix, item, user_weights=their[2], N=3)
        assert again[0] == pytest.approx(their[0], rel=1e-3, abs=1e-5)


def test_the_same_arguments_mean_the_same_objective():
    matrix = awkward(negative=False)
    settings = {"factors": 5, "regularization": 0.7, "alpha": 1.7, "dtype": np.float64,
                "iterations": 4, "use_cg": False, "use_gpu": False, "random_state": 11}  # fmt: skip
    mine = AlternatingLeastSquares(**settings).fit(matrix, show_progress=False)
    settings.pop("use_gpu")
    theirs = Peer(**settings)
    theirs.fit(matrix, show_progress=False)
    np.testing.assert_allclose(mine.user_factors, theirs.user_factors, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mine.item_factors, theirs.item_factors, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("use_cg", [True, False])
def test_there_and_back(pair, use_cg):
    ours, theirs, matrix = pair
    back = ours.to_implicit()
    assert type(back) is Peer
    assert np.array_equal(back.user_factors, theirs.user_factors)
    assert back.item_factors is not ours.item_factors
    assert back.recommend(9, matrix[9])[0].tolist() == theirs.recommend(9, matrix[9])[0].tolist()
    theirs.use_cg = use_cg
    again = halfstep.from_implicit(theirs)
    assert again.to_implicit().use_cg is use_cg
    for name in ("factors", "regularization", "alpha", "iterations", "random_state", "num_threads"):
        assert getattr(again, name) == getattr(theirs, name)
    unfitted = halfstep.from_implicit(Peer(factors=3, use_native=False, use_cg=False))
    assert unfitted.solver_ == "cholesky"
    assert unfitted.user_factors is None
    assert unfitted.to_implicit().user_factors is None
    assert halfstep.from_implicit(theirs, solver="naive").solver_ == "naive"


def test_only_its_own_model_and_convention_cross_over():
    with pytest.raises(InputError, match="takes implicit's AlternatingLeastSquares, got Cholesky"):
        halfstep.from_implicit(SOLVERS["cholesky"]())
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    with pytest.raises(InputError, match="got BayesianPersonalizedRanking"):
        halfstep.from_implicit(BayesianPersonalizedRanking())
    for settings in ({"confidence": "log"}, {"regularization_exponent": 0.5}):
        with pytest.raises(InputError, match="to_implicit needs confidence 'implicit'"):
            SOLVERS["cholesky"](**settings).to_implicit()


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        pytest.param(name, dtype, marks=marks(name))
        for name, solver in SOLVERS.items()
        for dtype in dtypes(solver)
    ],
    indirect=["pair"],
)
def test_its_files_are_read_as_any_solver(pair, name, tmp_path):
    _, theirs, matrix = pair
    theirs.save(str(tmp_path / "peer"))
    model = require(name).load(str(tmp_path / "peer"))
    assert model.solver_ == name
    assert np.array_equal(model.user_factors, theirs.user_factors)
    assert model.dtype == theirs.dtype
    ids, _ = model.recommend(9, matrix[9])
    assert ids.tolist() == theirs.recommend(9, matrix[9])[0].tolist()


def test_its_files_choose_a_solver_by_their_settings(tmp_path):
    for settings, solver in (
        ({}, AlternatingLeastSquares().solver_),
        ({"use_native": False}, "conjugate_gradient"),
        ({"use_native": False, "use_cg": False}, "cholesky"),
    ):
        theirs = Peer(
            factors=3, regularization=0.3, alpha=2.5, iterations=4, random_state=8, **settings
        )
        theirs.save(tmp_path / "unfitted.npz")
        model = AlternatingLeastSquares.load(tmp_path / "unfitted.npz")
        assert model.solver_ == solver
        assert (model.factors, model.regularization, model.alpha) == (3, 0.3, 2.5)
        assert (model.iterations, model.random_state, model.user_factors) == (4, 8, None)
    # Saved there as a pickle, which is not read.
    Peer(factors=3, random_state=np.random.RandomState(0)).save(tmp_path / "pickled.npz")
    assert AlternatingLeastSquares.load(tmp_path / "pickled.npz").random_state is None


def test_files_of_its_other_models_are_refused(tmp_path):
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from implicit.cpu.lmf import LogisticMatrixFactorization

    for kind in (BayesianPersonalizedRanking, LogisticMatrixFactorization):
        other = kind(factors=3, iterations=1)
        other.fit(sparse.csr_matrix(np.eye(5, dtype=np.float32)), show_progress=False)
        other.save(str(tmp_path / "other.npz"))
        with pytest.raises(InputError, match=r"other\.npz is (not a halfstep model|damaged)"):
            Solver.load(tmp_path / "other.npz")


def test_the_same_seed_is_the_same_start_in_every_solver_and_there(positive):
    theirs = Peer(factors=4, iterations=0, random_state=7)
    theirs.fit(positive, show_progress=False)
    for solver in SOLVERS.values():
        if solver.unavailable() is None:
            model = suited(solver, factors=4, iterations=0, random_state=7)
            model.fit(positive, show_progress=False)
            assert np.array_equal(model.user_factors, theirs.user_factors), solver.name
            assert np.array_equal(model.item_factors, theirs.item_factors), solver.name


def test_its_evaluation_takes_these_models(pair):
    from implicit.evaluation import ranking_metrics_at_k

    ours, theirs, matrix = pair
    test = awkward(seed=3, negative=False).tolil()
    # User 5 has all but two: there the list is filled up with what was to be filtered.
    test[5] = 0
    test = test.tocsr()
    mine, their = (
        ranking_metrics_at_k(m, matrix, test, K=5, show_progress=False) for m in (ours, theirs)
    )
    assert mine == pytest.approx(their)
    # More than there are: a masked tail is neither a hit nor out of bounds.
    many = ranking_metrics_at_k(ours, matrix, test, K=100, show_progress=False)
    assert all(0 <= value <= 1 for value in many.values())


def test_factors_of_its_gpu_models_are_fetched_and_widened():
    class Matrix:
        def __init__(self, array):
            self.array = array

        def to_numpy(self):
            return self.array

    # There is no GPU here to make one: what is read of it is stood in for.
    kind = type("AlternatingLeastSquares", (), {"__module__": "implicit.gpu.als"})
    theirs = kind()
    theirs.__dict__.update(
        factors=2, regularization=0.5, alpha=2.0, dtype=np.float16, iterations=3,
        calculate_training_loss=False, random_state=1, cg_steps=3,
        user_factors=Matrix(np.ones((3, 2), np.float16)),
        item_factors=Matrix(np.full((4, 2), 0.5, np.float16)),
    )  # fmt: skip
    model = halfstep.from_implicit(theirs)
    assert (model.dtype, model.user_factors.dtype) == (np.float32, np.float32)
    assert (model.item_factors == 0.5).all()
    theirs.item_factors = Matrix(np.ones((4, 3), np.float16))
    with pytest.raises(InputError, match=r"columns, got shapes \(3, 2\) and \(4, 3\)"):
        halfstep.from_implicit(theirs)
