"""The check of `cg_half_step` also counts steps, and looks where they start."""

import pytest

from halfstep.lab.check import check

PLAIN = """
import numpy as np

def cg_half_step(Y, plays, alpha, regularization, X, steps):
    M = Y.T @ Y + regularization * np.eye(Y.shape[1])
    result = np.array(X)
    for u in range(len(X)):
        row = slice(plays.indptr[u], plays.indptr[u + 1])
        Z, c = Y[plays.indices[row]], 1 + alpha * plays.data[row]
        A = M + (Z.T * (c - 1)) @ Z
        x = result[u]
        r = Z.T @ c - A @ x
        z = np.linalg.solve(M, r) if PRECONDITIONED else r
        p, rz = z, r @ z
        for _ in range(steps):
            if rz < 1e-24:
                break
            a = rz / (p @ A @ p)
            x, r = x + a * p, r - a * A @ p
            z = np.linalg.solve(M, r) if PRECONDITIONED else r
            p, rz = z + (r @ z) / rz * p, r @ z
        result[u] = x
    return result
"""


def found(tmp_path, text):
    file = tmp_path / "mine.py"
    file.write_text(text)
    return [one for one in check(file, "cg_half_step") if one.exercise == "cg_half_step"]


@pytest.mark.parametrize("preconditioned", ["True", "False"])
def test_plain_and_preconditioned_steps_are_right(tmp_path, preconditioned):
    states = [one.state for one in found(tmp_path, PLAIN.replace("PRECONDITIONED", preconditioned))]
    assert states == ["right"] * 8


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("range(steps)", "range(steps + 1)", "a step too many"),
        ("range(steps)", "range(steps - 1)", "a step too few"),
        ("range(steps)", "range(20)", "exactly"),
        ("np.array(X)", "np.zeros_like(X)", "from zeros"),
        ("np.array(X)", "X", "must stay as it is"),
    ],
)
def test_a_mistake_is_named(tmp_path, right, wrong, said):
    text = PLAIN.replace("PRECONDITIONED", "False").replace(right, wrong)
    last = found(tmp_path, text)[-1]
    assert last.state == "wrong"
    assert said in last.said
