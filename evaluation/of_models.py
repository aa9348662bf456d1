"""Evaluate, compare and tune in one call each, with models and data as arguments, from `halfstep`.

What they consist of has more arguments: `metrics.held_out`, `equivalence` and `tuning`.
"""

from __future__ import annotations

import copy
from os import PathLike
from pathlib import Path
from typing import Any

from scipy import sparse

from halfstep import defaults
from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError, NotFitted
from halfstep.evaluation import equivalence
from halfstep.evaluation.metrics.held_out import Evaluation
from halfstep.evaluation.metrics.held_out import evaluate as evaluate_factors
from halfstep.evaluation.protocols.own_split import train_and_test
from halfstep.evaluation.protocols.split import Split
from halfstep.evaluation.trace import factors_of, trace_fit
from halfstep.evaluation.tuning.search import Search
from halfstep.interruption import interrupted_at_once
from halfstep.solvers.base import Solver
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.inputs import check_integers, check_number
from halfstep.solvers.model.held import SIDES


def evaluate(
    model: Solver,
    data: Any,
    test: Any = None,
    *,
    k: int = defaults.LIST_LENGTH,
    test_fraction: float = defaults.TEST_FRACTION,
    random_state: int = defaults.SEED,
) -> Evaluation:
    """Return how well a model ranks held-out items: `evaluate(model, data).means()`.

    Parameters
    ----------
    model : Solver
        Without `test`, its settings count: a copy is fitted on a part of `data`, and the model itself
        does not change. With `test`, the model must be fitted on `data`.
    data : Dataset or sparse matrix, shape (users, items)
        A `Dataset`, whose own test part is taken if it has one, or a matrix.
    test : Dataset or sparse matrix, shape (users, items), optional
        What was held out of the fit; a `Dataset` must have the same ids.
    k : int
        The length of the recommended lists.
    test_fraction : float in (0, 1)
        The share of each user's entries to hold out, if there is no test part.
    random_state : int
        The seed of that draw.

    Returns
    -------
    Evaluation
        See `halfstep.evaluation.metrics.held_out`, with the definitions of all metrics.

    Raises
    ------
    InputError
        The data are not as above, no user has enough entries, or `test` shares entries with `data`.
    NotFitted
        `test` is given, and the model is not fitted.

    See Also
    --------
    halfstep.compare : Fit two models on the same part and say whether they are equally good.
    halfstep.evaluation.evaluate : The same for factors, with more arguments and all definitions.
    halfstep.evaluation.validate : Fit and evaluate by a protocol, with baselines and intervals.

    Examples
    --------
    >>> from halfstep import AlternatingLeastSquares, evaluate, load_data
    >>> plays = load_data("music-small")
    >>> model = AlternatingLeastSquares(factors=8, iterations=3, confidence="log", random_state=0)
    >>> found = evaluate(model, plays)
    >>> 0 < found.means()["ndcg@10"] < 1
    True
    >>> sorted(found.per_user)[:3]
    ['auc', 'hit_rate@10', 'map@10']
    """
    _check_model(model)
    if test is not None:
        train, test = (x.interactions if isinstance(x, Dataset) else x for x in (data, test))
        if model.user_factors is None or model.item_factors is None:
            raise NotFitted(f"{type(model).__name__} must be fitted on data first, to be tested")
        return evaluate_factors(*factors_of(model), train, test, ks=(k,))
    split = _split(data, test_fraction, random_state)
    fitted = _fresh(model)
    with interrupted_at_once():
        fitted.fit(split.train)
    return evaluate_factors(*factors_of(fitted), split.train, split.test, ks=(k,))


def compare(
    a: Solver,
    b: Solver,
    data: Any,
    *,
    k: int = defaults.LIST_LENGTH,
    test_fraction: float = defaults.TEST_FRACTION,
    random_state: int = defaults.SEED,
) -> equivalence.Comparison:
    """Fit two models on the same part of the data, from the same start, and say whether they are equal.

    Equal means: in the objective, audited in float64, and in held-out ranking. The models themselves do
    not change.

    Parameters
    ----------
    a, b : Solver
        The models, with the same `factors` and `iterations`. The questions are asked about b, with a as
        the reference.
    data : Dataset or sparse matrix, shape (users, items)
        A `Dataset`, whose own test part is taken if it has one, or a matrix.
    k : int
        The length of the recommended lists.
    test_fraction : float in (0, 1)
        The share of each user's entries to hold out, if there is no test part.
    random_state : int
        The seed of that draw and of the start.

    Returns
    -------
    Comparison
        Its `verdict` is one word, its `summary` a sentence: see `halfstep.evaluation.equivalence`.

    Raises
    ------
    InputError
        The data are not as in `evaluate`, or the models differ in `factors` or `iterations`.

    See Also
    --------
    halfstep.evaluate : How well one model ranks held-out items.
    halfstep.evaluation.validate : Several models by a protocol, with intervals.

    Examples
    --------
    >>> from halfstep import SOLVERS, compare, load_data
    >>> settings = dict(factors=8, iterations=3, confidence="log", regularization=20, random_state=0)
    >>> exact = SOLVERS["eigenbasis"](exact=True, **settings)
    >>> stepped = SOLVERS["eigenbasis"](**settings)
    >>> found = compare(exact, stepped, load_data("music-small"))
    >>> found.verdict in ("equivalent", "better")
    True
    """
    _check_model(a)
    _check_model(b)
    for name in ("factors", "iterations"):
        if getattr(a, name) != getattr(b, name):
            raise InputError(
                f"{name} must be the same for both models, "
                f"got {getattr(a, name)} and {getattr(b, name)}"
            )
    split = _split(data, test_fraction, random_state)
    start = starting_factors(None, split.train.shape, a.factors, "float64", random_state)
    traces = []
    for model in (a, b):
        fitted = _fresh(model)
        X, Y = (side.astype(fitted.dtype) for side in start)
        fitted.init_factors = X, Y
        traces.append(trace_fit(fitted, split.train))
    first, second = traces
    return equivalence.compare(
        first, second, split.train, split.test, k=k, random_state=random_state
    )


def tune(
    data: Any,
    *,
    seconds: float = 600,
    metric: str = defaults.METRIC,
    solver: str = "auto",
    max_factors: int = 1024,
    iterations: int = defaults.MOST_ITERATIONS,
    random_state: int = defaults.SEED,
    num_threads: int = defaults.THREADS,
    store: str | PathLike[str] | None = None,
) -> Search:
    """Search for about `seconds` for the best settings, the result's `best.settings`.

    A tenth of each user's entries is held out for the choice. The winner's value is too good, the more
    so the more trials there were; hold a test part back to measure it, as `halfstep tune` does.

    Parameters
    ----------
    data : Dataset or sparse matrix, shape (users, items)
        The test part that a `Dataset` comes with is not looked at.
    seconds : float
        At least 1.
    metric : str
        What to maximise: `auc`, or `ndcg`, `precision`, `recall`, `recall_capped`, `map` or `hit_rate`
        with `@` and the length of the list.
    solver : str
        A name of `halfstep.SOLVERS`, or `"auto"`, `"cpu"` or `"gpu"`.
    max_factors : int
        The most factors to try.
    iterations : int
        The most iterations of a trial; it ends sooner when it stops improving.
    random_state : int
        The seed of the draws and of the starts.
    num_threads : int
        Number of threads; 0 means all cores.
    store : str or path, optional
        An SQLite file that keeps the trials; the search goes on from those that it holds.

    Returns
    -------
    Search
        Its `best.settings` are a solver's arguments, `best.iterations` their number of iterations.

    Raises
    ------
    InputError
        An argument is out of range, no user has enough entries, no trial ended in time, or Optuna is not
        installed.

    See Also
    --------
    halfstep.evaluation.tune : One search in a space of one's own.
    halfstep.evaluation.Search : What comes back.
    halfstep.evaluate : Measure the choice on entries that no trial has seen.

    Examples
    --------
    It takes the seconds that it is given, so this example is not run as a test.

    >>> from halfstep import AlternatingLeastSquares, load_data, tune
    >>> best = tune(load_data("music-small"), seconds=60).best  # doctest: +SKIP
    >>> model = AlternatingLeastSquares(**best.settings, iterations=best.iterations)  # doctest: +SKIP
    """
    from halfstep.evaluation.tuning.budget import climb
    from halfstep.evaluation.tuning.store import missing

    if reason := missing():
        raise InputError(reason)
    check_number("seconds", seconds)
    check_integers({"random_state": random_state}, random_state=0)
    source = _dataset(data)
    return climb(
        source.interactions, budget=seconds, metric=metric, solver=solver, max_factors=max_factors,
        iterations=iterations, seed=random_state, num_threads=num_threads,
        store=None if store is None else Path(store),
        user_ids=source.user_ids, item_ids=source.item_ids,
    ).together  # fmt: skip


def _dataset(data: Any) -> Dataset:
    if isinstance(data, Dataset):
        return data
    if not sparse.issparse(data):
        raise InputError(
            "data must be a halfstep.Dataset (halfstep.load_data reads one) or a SciPy sparse matrix, "
            f"got {type(data).__name__}"
        )
    return Dataset.from_csr(data)


def _split(data: Any, test_fraction: float, random_state: int) -> Split:
    return train_and_test(_dataset(data), test_fraction, random_state)


def _check_model(model: Solver) -> None:
    if not isinstance(model, Solver):
        raise InputError(f"model must be a solver of halfstep, got {type(model).__name__}")


def _fresh(model: Solver) -> Solver:
    """Return a copy of the model without its factors."""
    fresh = type(model).__new__(type(model))
    # Not `copy.copy`, which copies the factors.
    fresh.__dict__.update({k: v for k, v in model.__getstate__().items() if k not in SIDES})
    fresh.user_factors = fresh.item_factors = None
    fresh.random_state = copy.deepcopy(model.random_state)  # a generator is not advanced
    return fresh
