"""halfstep: implicit-feedback matrix factorisation by alternating least squares.

The repository keeps `solvers/`, `kernels/`, `datasets/`, `evaluation/`, `recommender/`, `bench/`, `cli/`
and `lab/` at its top level; they are imported as `halfstep.solvers` and so on. An installed copy has
them inside the package. A bare clone has them beside the package, so the clone's root joins the
package's search path.
"""

from pathlib import Path as _Path

_root = _Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))

# After the search path is complete.
from halfstep.errors import InputError, NumericalWarning, SolverUnavailable  # noqa: E402
from halfstep.lazy import offered  # noqa: E402
from halfstep.solvers import SOLVERS, AlternatingLeastSquares, Solver, from_implicit  # noqa: E402
from halfstep.version import __version__  # noqa: E402

# Imported on first use: data sets bring pandas and Arrow along.
_OFFERED = {"Dataset": "datasets", "Recommender": "recommender", "load_data": "datasets"}
__getattr__ = offered(__name__, _OFFERED)
__all__ = [
    "SOLVERS",
    "AlternatingLeastSquares",
    "Dataset",
    "InputError",
    "NumericalWarning",
    "Recommender",
    "Solver",
    "SolverUnavailable",
    "__version__",
    "from_implicit",
    "load_data",
]
