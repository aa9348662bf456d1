"""halfstep: implicit-feedback matrix factorisation by alternating least squares.

The repository keeps `solvers/`, `kernels/`, `datasets/`, `evaluation/`, `recommender/`, `bench/`, `cli/`
and `lab/` at its top level; they are imported as `halfstep.solvers` and so on. An installed copy has
them inside the package. A bare clone has them beside the package, so the clone's root joins the
package's search path.
"""

from pathlib import Path as _Path
from typing import TYPE_CHECKING

_root = _Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))

# After the search path is complete.
from halfstep.errors import InputError, NumericalWarning, SolverUnavailable  # noqa: E402
from halfstep.lazy import offered  # noqa: E402
from halfstep.solvers import SOLVERS, AlternatingLeastSquares, Solver, from_implicit, load  # noqa: E402
from halfstep.solvers.model.recommend import recommend_all  # noqa: E402
from halfstep.version import __version__  # noqa: E402

if TYPE_CHECKING:
    from halfstep.datasets import Dataset, load_data
    from halfstep.evaluation.of_models import compare, evaluate, tune
    from halfstep.evaluation.warmup import warmup
    from halfstep.recommender import Recommender
    from halfstep.solvers.fit.term_weights import bm25_weight, tfidf_weight

# Imported on first use: data sets bring pandas and Arrow along, evaluation NumPy's and SciPy's rest.
_OFFERED = {
    "Dataset": "datasets",
    "Recommender": "recommender",
    "bm25_weight": "solvers.fit.term_weights",
    "compare": "evaluation.of_models",
    "evaluate": "evaluation.of_models",
    "load_data": "datasets",
    "tfidf_weight": "solvers.fit.term_weights",
    "tune": "evaluation.of_models",
    "warmup": "evaluation.warmup",
}
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
    "bm25_weight",
    "compare",
    "evaluate",
    "from_implicit",
    "load",
    "load_data",
    "recommend_all",
    "tfidf_weight",
    "tune",
    "warmup",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *_OFFERED})
