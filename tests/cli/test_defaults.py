"""One set of defaults: those of `implicit`, in every command and in Python."""

import importlib
import inspect
import pkgutil

import pytest
import typer

import halfstep
from halfstep import SOLVERS, AlternatingLeastSquares, Solver, defaults
from halfstep.cli.main import app

MODEL = {
    "factors": defaults.FACTORS,
    "iterations": defaults.ITERATIONS,
    "regularization": defaults.REGULARIZATION,
    "alpha": defaults.ALPHA,
    "confidence": defaults.CONFIDENCE,
    "epsilon": defaults.EPSILON,
    "background": None,
    "transform": None,
    "bm25_k1": defaults.BM25_K1,
    "bm25_b": defaults.BM25_B,
    "regularization_exponent": defaults.EXPONENT,
    "num_threads": defaults.THREADS,
}
COMMANDS = {
    **MODEL,
    "exponent": defaults.EXPONENT,
    "threads": defaults.THREADS,
    "seed": defaults.SEED,
    "k": defaults.LIST_LENGTH,
    "n": defaults.LIST_LENGTH,
    "metric": defaults.METRIC,
    "patience": defaults.PATIENCE,
    "test_fraction": defaults.TEST_FRACTION,
    "data": "music-small",
}
# What says in its help what its default is, or has a list of values instead of one.
OTHERS = {
    ("tune", "factors"), ("tune", "regularization"), ("tune", "alpha"), ("tune", "confidence"),
    ("bench", "factors"), ("bench", "regularization"), ("bench", "confidence"), ("bench", "data"),
    ("evaluate", "test_fraction"), ("recommend", "data"), ("similar", "data"), ("explain", "data"),
    ("doctor", "data"),
}  # fmt: skip
PYTHON = {
    **{name: MODEL[name] for name in ("alpha", "epsilon", "num_threads")},
    "k": defaults.LIST_LENGTH,
    "n": defaults.LIST_LENGTH,
    "N": defaults.LIST_LENGTH,
    "ks": (defaults.LIST_LENGTH,),
    "seed": defaults.SEED,
    "metric": defaults.METRIC,
    "patience": defaults.PATIENCE,
    "test_fraction": defaults.TEST_FRACTION,
}
# The lab's split, the protocol's own share, and an index's metric.
PYTHON_OTHERS = {
    ("random_rows", "test_fraction"),
    ("parts_of", "test_fraction"),
    ("export_index", "metric"),
}


def commands():
    group = typer.main.get_command(app)
    return {name: command for name, command in group.commands.items() if name != "data"}


def test_every_option_of_a_command_has_the_default_of_all():
    checked = set()
    for name, command in commands().items():
        for parameter in getattr(command, "params", ()):
            expected = COMMANDS
            if (name, parameter.name) == ("tune", "iterations"):
                expected = {"iterations": defaults.MOST_ITERATIONS}
            if parameter.name in expected and (name, parameter.name) not in OTHERS:
                assert parameter.default == expected[parameter.name], (name, parameter.name)
                checked.add((name, parameter.name))
            elif (name, parameter.name) in OTHERS:
                assert parameter.default is None, (name, parameter.name)
    for name in ("fit", "evaluate", "compare"):
        assert {(name, option) for option in ("factors", "iterations", "transform")} <= checked


def test_every_solver_has_them():
    for solver in (Solver, AlternatingLeastSquares, *SOLVERS.values()):
        parameters = inspect.signature(solver).parameters
        for name, value in MODEL.items():
            assert parameters[name].default == value, (solver, name)


def test_they_are_those_of_implicit():
    als = pytest.importorskip("implicit.cpu.als", reason="implicit is not installed")
    nearest = importlib.import_module("implicit.nearest_neighbours")
    theirs = inspect.signature(als.AlternatingLeastSquares).parameters
    shared = set(theirs) & set(MODEL)
    assert {"factors", "iterations", "regularization", "alpha", "num_threads"} <= shared
    assert {name: theirs[name].default for name in shared} == {name: MODEL[name] for name in shared}
    weighing = inspect.signature(nearest.bm25_weight).parameters
    assert (weighing["K1"].default, weighing["B"].default) == (defaults.BM25_K1, defaults.BM25_B)
    listed = inspect.signature(als.AlternatingLeastSquares.recommend).parameters
    assert listed["N"].default == defaults.LIST_LENGTH


def public_callables():
    """Yield (name, callable) of everything public in the packages that take these arguments."""
    for package in ("evaluation", "recommender", "solvers.model"):
        module = importlib.import_module(f"halfstep.{package}")
        for found in pkgutil.walk_packages(module.__path__, f"halfstep.{package}."):
            inside = importlib.import_module(found.name)
            for name, value in vars(inside).items():
                if name.startswith("_") or getattr(value, "__module__", None) != found.name:
                    continue
                if inspect.isfunction(value):
                    yield name, value
                elif inspect.isclass(value):
                    yield name, value.__init__
                if inspect.isclass(value):
                    methods = inspect.getmembers(value, inspect.isfunction)
                    yield from (method for method in methods if not method[0].startswith("_"))


def test_every_function_has_them():
    checked = set()
    for name, value in public_callables():
        for argument, parameter in inspect.signature(value).parameters.items():
            if argument not in PYTHON or parameter.default is inspect.Parameter.empty:
                continue
            if (name, argument) in PYTHON_OTHERS:
                continue
            assert parameter.default == PYTHON[argument], (value.__module__, name, argument)
            checked.add(argument)
    assert checked >= {"k", "ks", "n", "N", "metric", "test_fraction", "seed"}


def test_the_package_reads_them_before_anything_is_imported():
    assert halfstep.defaults is defaults
