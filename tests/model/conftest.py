"""A model that carries ids, of each kind of ids."""

import pytest
from cases.recommender import KINDS, SETTINGS, made

from halfstep import Recommender


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def fitted():
    return Recommender.fit(made(), **SETTINGS)
