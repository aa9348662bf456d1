"""Check a student's half-steps: which one is wrong, in which row, by how much, and perhaps why.

Only the file's imports, functions, classes and constants are executed, not a notebook's long cells.
Every function is called on a small problem through three iterations, with separate half-steps for users
and items. Each half-step begins from the right factors, so that one mistake is reported once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.lab.notebook import read_notebook
from halfstep.lab.reference import (
    ALPHA,
    REGULARIZATION,
    Array,
    Toy,
    confidence_and_preference,
    half_step,
    mistakes,
    objective,
    toy,
)

ITERATIONS = 3
TOLERANCE = 1e-6
EXERCISES = {
    "weights": "confidence and preference of the plays",
    "objective": "the number that ALS minimises",
    "naive_half_step": "the normal equations as written",
    "cholesky_half_step": "Y'Y once, then only the stored entries",
    "cg_half_step": "conjugate gradients without forming the matrix",
}


@dataclass(frozen=True)
class Finding:
    """The result of one call of one exercise.

    Attributes
    ----------
    exercise
        A name from `EXERCISES`.
    step
        The half-step, as in "iteration 1, users"; "" for exercises that are not half-steps.
    state
        "right", "wrong", "open" (not written yet) or "failed".
    said
        The message for the student: by how much the result is wrong, where, and perhaps why.
    """

    exercise: str
    step: str
    state: str
    said: str


def check(path: Path) -> list[Finding]:
    """Check a `.py` or `.ipynb` file; the first wrong half-step of an exercise is its last finding.

    Raises
    ------
    InputError
        The file cannot be read, is not Python, or has none of the exercises.
    """
    functions = _functions(path)
    problem = toy()
    findings: list[Finding] = []
    for name in EXERCISES:
        if name in functions:
            findings += _check(name, functions[name], problem)
    if not findings:
        raise InputError(f"{path} has none of the functions {', '.join(EXERCISES)}")
    return findings


def _check(name: str, function: Callable[..., Any], problem: Toy) -> list[Finding]:
    plays = problem.plays
    if name == "weights":
        pair = confidence_and_preference(plays)
        return [_finding(name, "", lambda: _compare_pair(function(plays, ALPHA), pair))]
    if name == "objective":
        C, P = confidence_and_preference(plays)
        total = objective(plays, problem.X, problem.Y)
        arguments = (problem.X, problem.Y, C, P, REGULARIZATION)
        return [_finding(name, "", lambda: _compare_number(function(*arguments), total))]
    findings = []
    X, Y = problem.X, problem.Y
    for iteration in range(1, ITERATIONS + 1):
        for side in ("users", "items"):
            table, fixed, start = (plays, Y, X) if side == "users" else (plays.T, X, Y)
            right = half_step(table, fixed)
            findings.append(
                _half_step(name, f"iteration {iteration}, {side}", function, table, fixed, start)
            )
            if findings[-1].state != "right":
                return findings
            X, Y = (right, Y) if side == "users" else (X, right)
    return findings


def _half_step(
    name: str, step: str, function: Callable[..., Any], table: Array, fixed: Array, start: Array
) -> Finding:
    right = half_step(table, fixed)

    def compare() -> tuple[str, str]:
        return _compare_rows(_call(name, function, table, fixed, start), right, table, fixed)

    return _finding(name, step, compare)


def _call(name: str, function: Callable[..., Any], table: Array, fixed: Array, start: Array) -> Any:
    from scipy.sparse import csr_matrix

    if name == "naive_half_step":
        return function(fixed.copy(), *confidence_and_preference(table), REGULARIZATION)
    plays = csr_matrix(table)
    arguments = (fixed.copy(), plays, ALPHA, REGULARIZATION)
    if name == "cg_half_step":  # f steps solve a system of f unknowns, but for rounding
        return function(*arguments, start.copy(), 2 * fixed.shape[1])
    return function(*arguments)


def _finding(name: str, step: str, compare: Callable[[], tuple[str, str]]) -> Finding:
    """Return the finding of `compare`, which calls the exercise, or of the error that it raises."""
    try:
        return Finding(name, step, *compare())
    except NotImplementedError:
        return Finding(name, step, "open", "not written yet")
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        return Finding(name, step, "failed", f"{kind}: {' '.join(str(error).split())}")


def _compare_rows(result: Any, right: Array, table: Array, fixed: Array) -> tuple[str, str]:
    if result is None:
        return "open", "it returns nothing"
    answer = np.asarray(result, dtype=np.float64)
    if answer.shape != right.shape:
        return "wrong", f"the result must have shape {right.shape}, got {answer.shape}"
    if not np.isfinite(answer).all():
        row = int(np.argmin(np.isfinite(answer).all(axis=1)))
        return "wrong", f"row {row} has entries that are not finite"
    error = _relative(answer, right)
    if error <= TOLERANCE:
        return "right", f"relative error {error:.0e}"
    sizes = np.linalg.norm(answer - right, axis=1)
    rows = int((sizes > TOLERANCE * max(float(np.linalg.norm(right, axis=1).max()), 1)).sum())
    message = (
        f"relative error {error:.2g}: {rows} of {len(right)} rows differ, most of all row "
        f"{int(sizes.argmax())}, by {sizes.max():.3g}"
    )
    for mistake, wrong in mistakes(table, fixed).items():
        if _relative(answer, wrong) <= 1e-5:
            return "wrong", f"{message}; the result is the same as when {mistake}"
    return "wrong", message


def _compare_pair(result: Any, right: tuple[Array, Array]) -> tuple[str, str]:
    if result is None:
        return "open", "it returns nothing"
    if not isinstance(result, tuple | list) or len(result) != 2:
        return "wrong", "it must return two arrays, the confidence and the preference"
    for name, answer, expected in zip(("confidence", "preference"), result, right, strict=True):
        values = np.asarray(answer, dtype=np.float64)
        if values.shape != expected.shape:
            return "wrong", f"the {name} must have shape {expected.shape}, got {values.shape}"
        apart = np.abs(values - expected)
        if not apart.max() <= TOLERANCE:
            row, column = (int(at) for at in np.unravel_index(int(apart.argmax()), apart.shape))
            return "wrong", (
                f"the {name} of entry ({row}, {column}) is {values[row, column]:g}, it must be "
                f"{expected[row, column]:g}"
            )
    return "right", ""


def _compare_number(result: Any, right: float) -> tuple[str, str]:
    if result is None:
        return "open", "it returns nothing"
    value = float(result)
    error = abs(value - right) / right
    if error <= TOLERANCE:
        return "right", f"relative error {error:.0e}"
    return "wrong", f"it is {value:.6g}, it must be {right:.6g}: {error:.2%} away"


def _relative(answer: Array, right: Array) -> float:
    return float(np.linalg.norm(answer - right) / np.linalg.norm(right))


def _functions(path: Path) -> dict[str, Callable[..., Any]]:
    """Execute a file's imports, definitions and constants, and return its callables by name."""
    kept: list[ast.stmt] = []
    for place, source in enumerate(_sources(path), 1):
        lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        try:
            tree = ast.parse("\n".join(lines))
        except (SyntaxError, ValueError) as error:  # a null byte raises either, by Python's release
            at = f"cell {place}, line {getattr(error, 'lineno', None) or 1}"
            raise InputError(f"{path}: {at}: {getattr(error, 'msg', error)}") from error
        except (MemoryError, RecursionError) as error:
            raise InputError(f"{path}: cell {place} is nested too deeply") from error
        kept += [node for node in tree.body if _harmless(node)]
    names: dict[str, Any] = {"__name__": "lab"}
    for node in kept:
        try:
            exec(compile(ast.Module([node], []), str(path), "exec"), names)
        except (Exception, SystemExit) as error:
            # Other failures do not matter, unless an exercise needs the name and then fails itself.
            if isinstance(node, ast.FunctionDef) and node.name in EXERCISES:
                raise InputError(f"{path}: {node.name} cannot be defined: {error}") from error
    return {name: value for name, value in names.items() if callable(value)}


def _harmless(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return isinstance(node.value, ast.Constant | ast.Tuple | ast.List | ast.UnaryOp)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def _sources(path: Path) -> list[str]:
    if path.suffix == ".ipynb":
        cells = read_notebook(path)["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    try:
        return [path.read_text(encoding="utf-8")]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from error
