"""Hypothesis strategies: any small matrix in any sparse form, any convention, any rung."""

from dataclasses import dataclass

import numpy as np
from cases.solvers import EXACT, RUNGS
from hypothesis import strategies as st
from scipy import sparse

from halfstep import SOLVERS

FORMS = ("csr_matrix", "csr_array", "csc_matrix", "csc_array", "coo_matrix", "coo_array",
         "lil_matrix", "dok_array")  # fmt: skip
# Below and above 1, negative, a stored zero, integers for the integer dtypes.
VALUES = (1.0, 2.0, 3.0, 7.0, 100.0, 0.25, 0.01, 1e3, -1.0, -2.5, 0.0)
HERE = [name for name in RUNGS if SOLVERS[name].unavailable() is None]


@dataclass
class Entries:
    """A matrix as triples, in the order and as often as drawn.

    `at` makes it of a format, a value dtype, an index dtype; duplicates are left in where they can be.
    """

    shape: tuple[int, int]
    rows: list[int]
    columns: list[int]
    values: list[float]

    def at(self, form="csr_matrix", dtype=np.float64, index=np.int32):
        coo = sparse.coo_array((np.array(self.values, dtype),
                                (np.array(self.rows, index), np.array(self.columns, index))),
                               shape=self.shape)  # fmt: skip
        if form.startswith(("csr", "csc")):
            # As a caller may have built it: each line's indices in the order of the triples, twice.
            major, minor = (self.rows, self.columns)[:: 1 if form.startswith("csr") else -1]
            lines = self.shape[0 if form.startswith("csr") else 1]
            order = np.argsort(np.array(major, int), kind="stable")
            pointers = np.searchsorted(np.array(major, int)[order], np.arange(lines + 1))
            return getattr(sparse, form)(
                (
                    np.array(self.values, dtype)[order],
                    np.array(minor, index)[order],
                    pointers.astype(index),
                ),
                shape=self.shape,
            )
        return getattr(sparse, form)(coo)

    @property
    def canonical(self):
        matrix = self.at()
        matrix.sum_duplicates()
        return matrix


@st.composite
def entries(draw, rows=12, columns=10, values=VALUES, distinct=False):
    shape = draw(st.integers(1, rows)), draw(st.integers(1, columns))
    places = draw(
        st.lists(
            st.tuples(st.integers(0, shape[0] - 1), st.integers(0, shape[1] - 1)),
            max_size=40,
            unique=distinct,
        )
    )
    if draw(st.booleans()):  # one row that has everything
        full = [(draw(st.integers(0, shape[0] - 1)), i) for i in range(shape[1])]
        places = list(dict.fromkeys(places + full)) if distinct else places + full
    stored = draw(st.lists(st.sampled_from(values), min_size=len(places), max_size=len(places)))
    return Entries(shape, [u for u, _ in places], [i for _, i in places], stored)


def conventions():
    exponent = st.sampled_from([0.0, 0.0, 0.5, 1.0])
    ridge = st.sampled_from([0.01, 0.1, 1.0, 20.0])
    shared = {"regularization": ridge, "regularization_exponent": exponent}
    slope = st.sampled_from([0.3, 1.0, 4.0])
    return st.one_of(
        st.fixed_dictionaries({"confidence": st.just("implicit"), "alpha": slope, **shared}),
        st.fixed_dictionaries({"confidence": st.just("linear"), "alpha": slope, **shared}),
        st.fixed_dictionaries(
            {
                "confidence": st.just("log"),
                "alpha": slope,
                "epsilon": st.sampled_from([0.1, 1.0]),
                **shared,
            }
        ),
        st.fixed_dictionaries(
            {"confidence": st.just("binary"), "background": st.sampled_from([0.05, 1.0]), **shared}
        ),
        st.fixed_dictionaries({"confidence": st.just("explicit"), **shared}),
    )


@st.composite
def models(draw, exact=True, dtypes=(np.float32, np.float64), **fixed):
    """Return an unfitted model of any rung that runs here, exact where it can be."""
    solver = SOLVERS[draw(st.sampled_from(HERE))]
    return solver(
        **{
            "factors": draw(st.integers(1, 9)),
            "dtype": draw(st.sampled_from(dtypes)),
            "num_threads": draw(st.sampled_from([0, 1])),
            "random_state": draw(st.integers(0, 2**32)),
            **draw(conventions()),
            **(EXACT.get(solver.name, {}) if exact else {}),
            **fixed,
        }
    )
