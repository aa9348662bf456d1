"""Numbers before nouns and verbs."""

import numpy as np
import pytest
from scipy import sparse

from halfstep import Dataset
from halfstep.plural import counted


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (1, "users", "1 user"),
        (0, "users", "0 users"),
        (1200, "entries are", "1,200 entries are"),
        (1, "entries are", "1 entry is"),
        (1, "users have", "1 user has"),
        (1, "users are not known and get no list", "1 user is not known and gets no list"),
    ],
)
def test_counted(count, words, said):
    assert counted(count, words) == said


def test_a_data_set_of_one():
    one = Dataset("a", sparse.csr_matrix([[2.0]]), np.array([7]), np.array([8]))
    assert repr(one) == "<Dataset 'a': 1 user x 1 item, 1 entry>"
