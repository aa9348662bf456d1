"""What an exercise of the ladder is made of, and how a function is judged by it.

An exercise has problems, the right function, and a function for each of the usual mistakes. A wrong
result is compared with theirs, so that the student is told which one was made.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from halfstep.lab.judging import Judged

Function: TypeAlias = Callable[..., Any]
Compare: TypeAlias = Callable[[Any, Any], Judged]
# The step, what is returned, and the comparison, which calls the function.
Call: TypeAlias = tuple[str, str, Callable[[], Judged]]


@dataclass(frozen=True)
class Problem:
    """The arguments of one call.

    Attributes
    ----------
    name
        What the student is told of them, as in "three warps".
    """

    name: str
    arguments: tuple[Any, ...]

    def answer(self, function: Function) -> Any:
        """Return what a function makes of the arguments, of which it gets copies."""
        return function(*deepcopy(self.arguments))


@dataclass(frozen=True)
class Exercise:
    """A function to write.

    Attributes
    ----------
    what
        What it does, in a few words.
    returns
        What it must return, as in "a whole number".
    problems
        Returns the calls, the simplest one first.
    right
        The right function.
    mistakes
        What is done wrong, after "the result is the same as when", and the function that does it.
    compare
        Compares a result with the right one, which the calls of a problem end with.
    one_tells
        Whether one result like that of a mistake is enough to name it. If not, as of small whole
        numbers, all results must be like its own.
    more
        Further calls, which are judged after the problems.
    """

    what: str
    returns: str
    problems: Callable[[], list[Problem]]
    right: Function
    mistakes: Mapping[str, Function]
    compare: Compare
    one_tells: bool = True
    more: Callable[[Function], Iterator[Call]] | None = None

    def calls(self, function: Function) -> Iterator[Call]:
        """Yield the calls of a function, one for each problem, and then those of `more`."""
        for problem in self.problems():

            def judge(problem: Problem = problem) -> Judged:
                return self._judge(function, problem)

            yield problem.name, self.returns, judge
        if self.more is not None:
            yield from self.more(function)

    def _judge(self, function: Function, problem: Problem) -> Judged:
        result = problem.answer(function)
        judged = self.compare(result, problem.answer(self.right))
        if judged.state != "wrong":
            return judged
        mistake = self._made(function, problem, result)
        if mistake is None:
            return judged
        return replace(judged, said=f"{judged.said}; the result is the same as when {mistake}")

    def _made(self, function: Function, problem: Problem, result: Any) -> str | None:
        """Return the mistake that was made: if there are several, one that explains all results."""
        like = [name for name, of in self.mistakes.items() if self._same(result, of, problem)]
        others = [other for other in self.problems() if other.name != problem.name]
        for name in like:
            if all(self._alike(function, self.mistakes[name], other) for other in others):
                return name
        return like[0] if like and self.one_tells else None

    def _same(self, result: Any, mistaken: Function, problem: Problem) -> bool:
        return self.compare(result, problem.answer(mistaken)).state == "right"

    def _alike(self, function: Function, mistaken: Function, problem: Problem) -> bool:
        try:
            return self._same(problem.answer(function), mistaken, problem)
        except Exception:
            return False


def judge_memory(call: Callable[[], Any], limit: int, expected: str, said: str) -> Judged:
    """Return whether a call held fewer than `limit` bytes at a time; `said` follows those it held."""
    most = most_bytes(call)
    if most < limit:
        return Judged("right", "")
    message = f"it holds {most:,} bytes at a time, {said}"
    return Judged("wrong", message, expected, f"{most:,} bytes")


def most_bytes(call: Callable[[], Any]) -> int:
    """Return the largest number of bytes that a call held at a time, NumPy's arrays included.

    What else the process holds is traced, too, and so is what its other threads take meanwhile. So the
    call takes turns with waiting as long, and what is held at most by either is compared.
    """
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    try:
        working, waiting = [], []
        for _ in range(3):
            begin = time.perf_counter()
            working.append(_peak(call))
            seconds = time.perf_counter() - begin
            waiting.append(_peak(lambda: time.sleep(seconds)))  # noqa: B023 - called at once
        return max(0, min(working) - max(waiting))
    finally:
        if not traced:
            tracemalloc.stop()


def _peak(call: Callable[[], Any]) -> int:
    """Return the largest number of bytes that the process held during a call."""
    tracemalloc.reset_peak()
    call()
    return tracemalloc.get_traced_memory()[1]
