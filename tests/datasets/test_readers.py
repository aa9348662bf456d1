import gzip
import logging

import numpy as np
import pytest

from halfstep.datasets import load
from halfstep.datasets.audioscrobbler.read import read_audioscrobbler, resolve
from halfstep.errors import InputError


def entries(dataset):
    matrix = dataset.interactions.tocoo()
    users, items = dataset.user_ids[matrix.row], dataset.item_ids[matrix.col]
    return sorted(zip(users.tolist(), items.tolist(), matrix.data.tolist(), strict=True))


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def dump(tmp_path):
    return write(
        tmp_path / "dump",
        user_artist_data__txt="1 10 5\n1 11 1\n2 12 7\n2 20 2\n2 30 4\n2 31 8\n",
        artist_data__txt=(
            b'10\tThe "Quoted\n12\tCaf\xc3\xa9\n20\tCaf\xe9 tab\there\n\nno tab\nx\ty\n-1\tz\n'
        ),
        artist_alias__txt="11\t12\n12\t10\n20\t20\n30\t31\n31\t30\n\t5\n7\n",
    )


def test_audioscrobbler_follows_aliases(dump):
    assert entries(load(dump)) == [(1, 10, 6), (2, 10, 7), (2, 20, 2), (2, 30, 12)]
    once = read_audioscrobbler(dump, aliases="once")
    assert entries(once) == [(1, 10, 5), (1, 12, 1), (2, 10, 7), (2, 20, 2), (2, 30, 8), (2, 31, 4)]
    assert len(entries(read_audioscrobbler(dump, aliases="none"))) == 6
    with pytest.raises(InputError, match="aliases must be"):
        read_audioscrobbler(dump, aliases="twice")


def test_audioscrobbler_names_and_account(dump, caplog):
    with caplog.at_level(logging.WARNING, logger="halfstep.datasets"):
        dataset = read_audioscrobbler(dump, aliases="none")
    assert dataset.item_names.tolist() == ['The "Quoted', "", "Café", "Café tab\there", "", ""]
    assert dataset.provenance["malformed"] == {
        "artist_data.txt": {
            "blank line": 1,
            "missing fields": 1,
            "id not an integer": 1,
            "negative id": 1,
        }
    }
    assert "artist_data.txt: 4 malformed lines left out: blank line: 1 (line 4)" in caplog.text
    resolved = load(dump).provenance
    assert resolved["malformed"]["artist_alias.txt"] == {"missing id": 1, "missing fields": 1}
    assert resolved["aliased_rows"] == 3
    assert resolved["rows"] == 6
    assert resolved["files"] == ["user_artist_data.txt", "artist_data.txt", "artist_alias.txt"]


def test_resolve():
    chain = {index: index + 1 for index in range(5000)}
    assert set(resolve(chain).values()) == {5000}
    assert resolve({1: 1}) == {1: 1}
    assert resolve({5: 6, 6: 7, 7: 6, 8: 5}) == {5: 6, 6: 6, 7: 6, 8: 6}


MALFORMED = {
    "1 2\n": "missing fields",
    "1 2 3 4\n": "extra fields",
    "\n": "blank line",
    "1 2 nan\n": "count not an integer",
    "1 2 2.5\n": "count not an integer",
    "1 2 True\n": "count not an integer",
    "1 2 1_0\n": "count not an integer",
    "1 2 0x10\n": "count not an integer",
    "1 2 99999999999999999999\n": "count not an integer",
    "1 2 0\n": "count below 1",
    "1 2 -3\n": "count below 1",
    "-1 2 3\n": "negative id",
    "1 -2 3\n": "negative id",
    "1 nan 3\n": "missing id",
    "1 x 3\n": "id not an integer",
    "1 \xff 3\n": "id not an integer",
    '1 "2 3\n': "id not an integer",
}


@pytest.mark.parametrize("line", MALFORMED)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_no_malformed_line_gets_through(tmp_path, line, place):
    lines = ["1 10 5\n", "2 20 6\n"]
    lines.insert(place, line)
    write(tmp_path, user_artist_data__txt="".join(lines).encode("latin-1"))
    dataset = load(tmp_path)
    assert entries(dataset) == [(1, 10, 5), (2, 20, 6)]
    assert dataset.provenance["malformed"] == {"user_artist_data.txt": {MALFORMED[line]: 1}}
    assert dataset.provenance["rows"] == 3


@pytest.mark.parametrize("line", MALFORMED)
def test_all_malformed_is_an_error(tmp_path, line):
    write(tmp_path, user_artist_data__txt=(line * 2).encode("latin-1"))
    with pytest.raises(
        InputError, match=r"user_artist_data\.txt: all 2 lines are malformed"
    ) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_line_ends_and_small_names_and_gzip(tmp_path):
    text = b"\xef\xbb\xbf1 10 5\r\n2 20 6\r\n2 20 1"
    (tmp_path / "user_artist_data_small.txt.gz").write_bytes(gzip.compress(text))
    (tmp_path / "artist_data_small.txt.gz").write_bytes(gzip.compress(b"10\tX\r\n"))
    dataset = load(tmp_path)
    assert entries(dataset) == [(1, 10, 5), (2, 20, 7)]
    assert dataset.item_names.tolist() == ["X", ""]
    assert dataset.provenance["malformed"] == {}


def test_the_slow_path_agrees_with_the_fast_one(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 50, size=(500, 3))
    text = "".join(f"{user} {item} {plays}\n" for user, item, plays in rows)
    fast = load(write(tmp_path / "a", user_artist_data__txt=text))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "user_artist_data.txt.gz").write_bytes(gzip.compress(f"{text}?\n".encode()))
    slow = load(tmp_path / "b")
    assert slow.content_hash == fast.content_hash
    assert slow.provenance["malformed"] == {"user_artist_data.txt.gz": {"missing fields": 1}}


def test_blocks_join_at_any_size(tmp_path, monkeypatch):
    text = "".join(f"{user} {user % 7} {user}\n" for user in range(1, 300)) + "bad\n5 5 5"
    write(tmp_path, user_artist_data__txt=text)
    whole = load(tmp_path)
    for size in (1, 7, 64):
        monkeypatch.setattr("halfstep.datasets.text.blocks.BLOCK_BYTES", size)
        cut = load(tmp_path)
        assert cut.content_hash == whole.content_hash
        assert cut.provenance == whole.provenance


def test_first_line_numbers_are_reported(tmp_path, caplog):
    write(tmp_path, user_artist_data__txt="1 1 1\n" + "x\n" * 7 + "\n")
    with caplog.at_level(logging.WARNING, logger="halfstep.datasets"):
        load(tmp_path)
    assert "8 malformed lines" in caplog.text
    assert "missing fields: 7 (line 2, 3, 4, 5, 6, ...)" in caplog.text


def test_hetrec(tmp_path):
    write(
        tmp_path,
        user_artists__dat="userID\tartistID\tweight\n2\t51\t13\n2\t52\t11\n3\t51\t1\n3\t51\n3\t52\t0\n",
        artists__dat='id\tname\turl\tpictureURL\n51\t"Duran\tu\tp\n60\tNobody\tu\tp\n52\tX\n',
    )
    dataset = load(tmp_path)
    assert entries(dataset) == [(2, 51, 13), (2, 52, 11), (3, 51, 1)]
    assert dataset.item_names.tolist() == ['"Duran', ""]
    assert dataset.provenance["malformed"] == {
        "user_artists.dat": {"missing fields": 1, "count below 1": 1},
        "artists.dat": {"missing fields": 1},
    }


def test_hetrec_with_a_header_only(tmp_path):
    write(tmp_path, user_artists__dat="userID\tartistID\tweight\n")
    with pytest.raises(InputError, match=r"user_artists.dat: there are no lines after the header"):
        load(tmp_path)


def test_ncf(tmp_path):
    write(
        tmp_path,
        x__train__rating="0\t0\t5\n0\t1\t3\n2\t0\t1\n2\tnan\t1\n",
        x__test__rating="0\t2\t4\t978\n2\t1\t3\t978\n",
        x__test__negative="(0,2)\t3\t2\t3\t4\n(2,1)\t0\n(1,1)\t0\n0,2\t3\n(2,1)\tx\n\n",
        x__item_ids__txt="70\n60\n50\n40\n30\n",
    )
    dataset = load(tmp_path)
    assert (dataset.users, dataset.items, dataset.entries) == (3, 5, 3)
    assert dataset.interactions.toarray()[0].tolist() == [5, 3, 0, 0, 0]
    assert dataset.test[0, 2] == 4
    assert dataset.negatives.tolist() == [[3, -1, -1, 4], [-1] * 4, [0, -1, -1, -1]]
    assert dataset.item_ids.tolist() == [70, 60, 50, 40, 30]
    assert dataset.provenance["negatives_equal_to_test_item"] == 1
    assert dataset.provenance["malformed"] == {
        "x.train.rating": {"missing id": 1},
        "x.test.negative": {
            "pair not in the test file": 1,
            "no (user,item) pair": 1,
            "item not an integer from 0": 1,
            "blank line": 1,
        },
    }


def test_ncf_item_ids_must_fit(tmp_path):
    write(
        tmp_path, x__train__rating="0\t0\t5\n", x__test__rating="0\t1\t4\n", x__item_ids__txt="7\n"
    )
    with pytest.raises(InputError, match=r"x\.item_ids\.txt: must hold 2 different ids"):
        load(tmp_path)
    (tmp_path / "x.test.rating").unlink()
    with pytest.raises(InputError, match=r"x\.test\.rating"):
        load(f"ncf:{tmp_path}")


def test_lightgcn(tmp_path):
    text = "0 1 2\n1\n3 0 \n2 x\n-1 0\n\n1 99999999999\n"
    write(tmp_path, train__txt=text, test__txt="0 4\n4\n")
    dataset = load(tmp_path)
    assert (dataset.users, dataset.items) == (5, 5)
    assert entries(dataset) == [(0, 1, 1), (0, 2, 1), (3, 0, 1)]
    assert dataset.test.nnz == 1
    assert dataset.test[0, 4] == 1
    assert dataset.provenance["malformed"] == {
        "train.txt": {"not only integers from 0": 2, "blank line": 1, "number too large": 1}
    }


def test_lightgcn_without_test_and_with_ids(tmp_path):
    write(tmp_path, train__txt="0 1 2\n1\n")
    assert load(tmp_path).test is None
    write(tmp_path, train__txt="0 1 2000000000\n1\n")
    with pytest.raises(InputError, match="numbered from 0, got number 2000000000"):
        load(tmp_path)
    write(tmp_path, train__txt="0\n1\n")
    with pytest.raises(InputError, match="no user has an item"):
        load(f"lightgcn:{tmp_path}")
