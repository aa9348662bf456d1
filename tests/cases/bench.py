"""The small benchmark case that the tests of the method and of the timing share."""

from halfstep.bench.settings import BenchSettings
from halfstep.bench.suites import Case

SETTINGS = BenchSettings(
    solvers=("popularity", "cholesky", "conjugate_gradient"),
    factors=(7,),
    iterations=3,
    repeats=2,
    regularization=0.5,
    num_threads=1,
    memory=False,
)
CASE = Case(None, 7, 1, True, 3, 2, 30.0)
