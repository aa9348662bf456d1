"""Files in the forms that people have are read as their owners mean them, or refused with a way out."""

import numpy as np
import pytest
from cases.tables import Case
from cases.tables.formats import FORMATS
from cases.tables.logs import LOGS
from cases.tables.odd import ODD
from cases.tables.public import PUBLIC

from halfstep import load_data
from halfstep.errors import InputError

CASES = [*PUBLIC, *LOGS, *ODD, *FORMATS]
ANSWERED = [case for case in CASES if case.said]


def entries_of(dataset):
    matrix = dataset.interactions.tocoo()
    keys = zip(dataset.user_ids[matrix.row], dataset.item_ids[matrix.col], strict=True)
    return {
        (str(user), str(item)): float(value)
        for (user, item), value in zip(keys, matrix.data, strict=True)
    }


def check(case: Case, dataset, expected):
    found = entries_of(dataset)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-6), key
    account = dataset.provenance.get("reading")
    if case.columns:
        assert case.columns.items() <= account["columns"].items()
    if case.times:
        assert np.isfinite(dataset.times).all()
    if case.left_out:
        assert dict(case.left_out).items() <= account["left_out"].items()
    if account is not None:
        assert account["duplicates"] == case.duplicates
    assert (0 if dataset.test is None else dataset.test.nnz) == case.held_out


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_read_as_meant_or_asked(case, tmp_path):
    path = tmp_path / case.name
    case.write(path)
    if case.expected is not None:
        # What the account must say belongs to the reading with the case's answers, if it has any.
        plain = Case(case.name, case.write, case.expected, duplicates=case.duplicates)
        check(plain if case.said else case, load_data(path), case.expected)
        return
    with pytest.raises(InputError) as refused:
        load_data(path)
    message = str(refused.value)
    assert case.name in message
    # The way out: an option, and what the file holds.
    assert "--" in message or "negative=" in message


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case.name)
def test_read_as_told(case, tmp_path):
    path = tmp_path / case.name
    case.write(path)
    check(case, load_data(path, **case.said), case.expected if case.told is None else case.told)
