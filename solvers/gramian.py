"""The Gramian Y'Y, summed over blocks of rows in a fixed binary tree.

Two blocks next to each other are added first, then two such pairs, and so on. So whoever has the rows
of a range of blocks can add up the nodes of the tree inside that range, and who gets all ranges' nodes
adds these up to the same bits: they depend neither on the number of threads nor on how many machines
share the rows, as long as each has whole blocks. A range has at most two nodes of each size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from halfstep.kernels import phases
from halfstep.kernels.cpu.threads import spread
from halfstep.types import Floats

Matrix: TypeAlias = npt.NDArray[np.float64]
Value = TypeVar("Value", np.float64, Matrix)
# A node of the tree is named (level, place): blocks place 2^level to (place + 1) 2^level - 1.
Node: TypeAlias = tuple[int, int]

ROWS = 1024  # of a block
_TASKS = 16


def gramian(Y: Floats, threads: int, kind: npt.DTypeLike) -> Matrix:
    """Return Y'Y (f, f) in float64; the products of blocks of Y (rows, f) are in the dtype `kind`."""
    f = Y.shape[1]
    if not len(Y):
        return np.zeros((f, f))
    return whole(gramian_nodes(Y, threads, kind))


def gramian_nodes(
    Y: Floats, threads: int, kind: npt.DTypeLike, first: int = 0
) -> dict[Node, Matrix]:
    """Return the largest nodes of the tree over the blocks of Y (rows, f), float64 matrices (f, f).

    `first` is the number of Y's first block on the whole side.
    """
    stop = first + blocks_of(len(Y))
    nodes = dyadic(first, stop)
    # Smaller than the largest nodes where those are fewer than there may be threads.
    level = max(0, (max(1, (stop - first) // _TASKS)).bit_length() - 1)
    tasks = [piece for node in nodes for piece in _down_to(level, node)]
    values: list[Matrix | None] = [None] * len(tasks)

    def product(block: int, wide: Floats) -> Matrix:
        rows = Y[(block - first) * ROWS : (block - first + 1) * ROWS]
        if rows.dtype != kind:
            np.copyto(wide[: len(rows)], rows)
            rows = wide[: len(rows)]
        # A float64 product is a new array already, which its tree may add to.
        product: Matrix = (rows.T @ rows).astype(np.float64, copy=False)
        return product

    def run(task: int, wide: Floats) -> None:
        values[task] = _summed(tasks[task], lambda block: product(block, wide))
        phases.lap(phases.GRAMIAN)

    room = (min(ROWS, len(Y)), Y.shape[1]) if Y.dtype != kind else (0, 0)
    spread(range(len(tasks)), threads, lambda: np.empty(room, kind), run)
    found: dict[Node, Any] = dict(zip(tasks, values, strict=True))
    return _joined(found, first, stop)


def squares(Y: Floats) -> float:
    """Return the sum of the squares of Y (rows, f), by the same tree."""
    return float(whole(square_nodes(Y))) if len(Y) else 0.0


def square_nodes(Y: Floats, first: int = 0) -> dict[Node, np.float64]:
    """Return the sums of squares of the largest nodes of the tree over the blocks of Y (rows, f)."""
    flat, each = Y.reshape(-1), ROWS * Y.shape[1]
    stop = first + blocks_of(len(Y))
    pieces = (flat[start : start + each] for start in range(0, len(flat), each))
    blocks = {(0, first + b): np.float64(piece.dot(piece)) for b, piece in enumerate(pieces)}
    return _joined(blocks, first, stop)


def whole(nodes: dict[Node, Value]) -> Value:
    """Return the sum over a whole side; `nodes` cover all its blocks, each of them once."""
    top = _joined(nodes, 0, None)
    (value,) = top.values()
    return value


def blocks_of(rows: int) -> int:
    """Return how many blocks `rows` rows are."""
    return -(-rows // ROWS)


def dyadic(first: int, stop: int) -> list[Node]:
    """Return the fewest nodes of the tree that cover the blocks from `first` to `stop` - 1."""
    nodes = []
    while first < stop:
        level = (stop - first).bit_length() - 1
        if first:
            level = min(level, (first & -first).bit_length() - 1)
        nodes.append((level, first >> level))
        first += 1 << level
    return nodes


def _down_to(level: int, node: Node) -> list[Node]:
    above, place = node
    if above <= level:
        return [node]
    times = 1 << (above - level)
    return [(level, place * times + k) for k in range(times)]


def _summed(node: Node, product: Callable[[int], Matrix]) -> Matrix:
    level, place = node
    if not level:
        return product(place)
    left = _summed((level - 1, 2 * place), product)
    left += _summed((level - 1, 2 * place + 1), product)
    return left


def _joined(nodes: dict[Node, Value], first: int, stop: int | None) -> dict[Node, Value]:
    """Add up what is in `nodes` to the largest nodes between blocks `first` and `stop` - 1.

    With `stop` None the blocks end with the last one in `nodes`, and a node beyond whose first half they
    end is that half.
    """
    nodes = dict(nodes)
    done: dict[Node, Value] = {}
    level = 0
    while nodes:
        here = sorted(place for at, place in nodes if at == level)
        last_one = stop is None and len(nodes) == 1
        for place in here:
            if (level, place) not in nodes:
                continue
            value = nodes.pop((level, place))
            other = nodes.pop((level, place + 1), None) if place % 2 == 0 else None
            if last_one:
                if place:
                    raise ValueError("the nodes do not cover the first blocks of a side")
                done[level, place] = value
            elif other is not None:
                nodes[level + 1, place // 2] = value + other
            elif stop is None:
                if place % 2:
                    raise ValueError(f"the nodes lack blocks before those of {(level, place)}")
                nodes[level + 1, place // 2] = value
            else:
                done[level, place] = value
        level += 1
    return done
