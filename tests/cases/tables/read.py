"""What tests of readers ask of a data set, and of a refusal."""

import pytest

from halfstep import load_data
from halfstep.errors import InputError


def entries(dataset):
    matrix = dataset.interactions.tocoo()
    users, items = dataset.user_ids[matrix.row], dataset.item_ids[matrix.col]
    return dict(
        zip(zip(users.tolist(), items.tolist(), strict=True), matrix.data.tolist(), strict=True)
    )


def refused(source, *words, **options):
    with pytest.raises(InputError) as caught:
        load_data(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
