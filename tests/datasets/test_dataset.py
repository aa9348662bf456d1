import os

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_matrix, save_npz

from halfstep.datasets import Dataset, load
from halfstep.datasets.triples import from_triples
from halfstep.errors import InputError


@pytest.fixture
def dataset():
    built = from_triples([7, 3, 7, 7], ["b", "a", "a", "b"], [1, 2, 3, 4], name="four")
    heldout = csr_matrix(([1.0], ([0], [1])), shape=(2, 2), dtype=np.float32)
    return Dataset(
        "four",
        built.interactions,
        built.user_ids,
        built.item_ids,
        item_names=np.array(["Ä", ""], dtype=object),
        test=heldout,
        negatives=np.array([[0, -1], [1, 0]], dtype=np.int32),
        provenance={"seed": 3, "malformed": {"f": {"blank line": 1}}},
    )


def test_triples_are_sorted_and_summed(dataset):
    assert dataset.interactions.toarray().tolist() == [[2, 0], [3, 5]]
    assert dataset.user_ids.tolist() == [3, 7]
    assert dataset.item_ids.tolist() == ["a", "b"]
    assert (dataset.users, dataset.items, dataset.entries, dataset.density) == (2, 2, 3, 0.75)
    assert repr(dataset) == "<Dataset 'four': 2 users x 2 items, 3 entries, 1 held out>"


def test_value_types():
    assert from_triples([1], [1], [0.5]).interactions.dtype == np.float32
    assert from_triples([1], [1], [0.1]).interactions.dtype == np.float64
    assert from_triples([1, 1], [1, 1], [2**24, 1]).interactions.data.tolist() == [2**24 + 1]
    assert from_triples([1, 1], [1, 1], [2**62, 2**62]).interactions.data[0] == 2.0**63
    assert from_triples([1, 1], [1, 1]).interactions.data.tolist() == [2]
    assert from_triples([1], [1], [1e300]).interactions.data.tolist() == [1e300]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([], [], []), "empty"),
        (([1], [1], [np.nan]), "nan at position 0"),
        (([1, 1], [1, 2], [1, -np.inf]), "-inf at position 1"),
        (([1, 2], [1], [1, 1]), "items"),
        (([1], [1], ["x"]), "numbers"),
        (([None], [1], [1]), "missing"),
        (([1.5], [1], [1]), "integers or strings"),
    ],
)
def test_bad_triples(arguments, word):
    with pytest.raises(InputError, match=word):
        from_triples(*arguments)


def test_index_of_an_id(dataset):
    assert dataset.user_index(7) == 1
    assert dataset.user_index("7") == 1
    assert dataset.item_index("b") == 1
    for unknown in (8, "x", None, 7.5, [7]):
        with pytest.raises(InputError, match="user_id must be one of the 2 ids"):
            dataset.user_index(unknown)
    with pytest.raises(InputError, match="item_id"):
        dataset.item_index(0)


def test_hash_is_of_the_content(dataset):
    matrix = dataset.interactions
    wide = csr_matrix(matrix.shape, dtype=np.float64)
    wide.data = matrix.data.astype(np.float64)
    wide.indices, wide.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    ids = np.arange(2)
    assert Dataset("x", wide, ids, ids).content_hash == dataset.content_hash
    changed = matrix.copy()
    changed.data[0] += 1
    assert Dataset("x", changed, ids, ids).content_hash != dataset.content_hash
    assert len(dataset.content_hash) == 64


def test_lengths_must_agree(dataset):
    with pytest.raises(InputError, match="user_ids must have 2 rows, got 3"):
        Dataset("x", dataset.interactions, np.arange(3), np.arange(2))
    with pytest.raises(InputError, match="test must have shape"):
        Dataset("x", dataset.interactions, np.arange(2), np.arange(2), test=csr_matrix((3, 2)))


def test_save_and_load(dataset, tmp_path):
    path = tmp_path / "four.npz"
    dataset.save(path)
    assert os.listdir(tmp_path) == ["four.npz"]
    again = load(path)
    assert again.content_hash == dataset.content_hash
    assert again.interactions.dtype == dataset.interactions.dtype
    assert again.name == "four"
    assert again.provenance == dataset.provenance
    assert again.user_ids.tolist() == [3, 7]
    assert again.item_ids.tolist() == ["a", "b"]
    assert again.item_names.tolist() == ["Ä", ""]
    assert (again.test != dataset.test).nnz == 0
    assert again.negatives.tolist() == dataset.negatives.tolist()
    assert again.negatives.dtype == np.int32


def test_save_without_the_optional_parts(tmp_path):
    path = tmp_path / "x.npz"
    from_triples([1], [2]).save(path)
    again = Dataset.load_npz(path)
    assert again.item_names is None
    assert again.test is None
    assert again.negatives is None


def test_save_that_fails_leaves_the_old_file(dataset, tmp_path):
    path = tmp_path / "x.npz"
    dataset.save(path)
    before = path.read_bytes()
    dataset.provenance["bad"] = object()
    with pytest.raises(TypeError):
        dataset.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.npz"]


@pytest.mark.parametrize(("name", "word"), [("x.dat", "npz"), ("no/x.npz", "cannot be written")])
def test_save_to_a_bad_path(dataset, tmp_path, name, word):
    with pytest.raises(InputError, match=word):
        dataset.save(tmp_path / name)


def test_reads_what_scipy_saved(tmp_path):
    path = tmp_path / "plain.npz"
    save_npz(path, coo_array(([1, 2, 3], ([0, 0, 2], [1, 1, 0])), shape=(4, 5)))
    dataset = load(path)
    assert dataset.interactions.toarray()[[0, 2], [1, 0]].tolist() == [3, 3]
    assert (dataset.users, dataset.items, dataset.entries) == (4, 5, 2)
    assert dataset.user_ids.tolist() == [0, 1, 2, 3]


def test_refuses_other_archives(dataset, tmp_path):
    good = tmp_path / "good.npz"
    dataset.save(good)
    bad = {
        "cut.npz": good.read_bytes()[:-100],
        "text.npz": b"user,item\n1,2\n",
        "empty.npz": b"",
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "foreign.npz", a=np.arange(3))
    np.savez(tmp_path / "pickled.npz", a=np.array([{}], dtype=object))
    np.savez(tmp_path / "half.npz", halfstep_dataset=1, name="x")
    np.savez(tmp_path / "future.npz", halfstep_dataset=99)
    matrix = csr_matrix(np.eye(3))
    matrix.indices[0] = 77
    save_npz(tmp_path / "outside.npz", matrix)
    save_npz(tmp_path / "nan.npz", csr_matrix([[np.nan]]))
    save_npz(tmp_path / "nothing.npz", csr_matrix((3, 3)))
    names = ["foreign", "pickled", "half", "future", "outside", "nan", "nothing"]
    for name in [*bad, *(f"{name}.npz" for name in names), "absent.npz"]:
        with pytest.raises(InputError, match=name) as caught:
            Dataset.load_npz(tmp_path / name)
        assert "\n" not in str(caught.value)
