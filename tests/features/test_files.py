"""Attributes from files: long and wide tables, kinds of fields, other rows, what is left out, errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from halfstep.datasets.features import FeatureEncoder
from halfstep.datasets.features import read_features as read
from halfstep.errors import InputError

IDS = np.array([10, 20, 30, 40])
ROOT = 2**-0.5


def written(tmp_path, text, name="attributes.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


def read_features(*args, **more):
    """Read without the column of ones."""
    return read(*args, **{"constant": False, **more})


def columns(found):
    return dict(zip(found.encoder.names, found.matrix.toarray().T.tolist(), strict=True))


def test_a_wide_table_has_numbers_categories_and_tags(tmp_path):
    path = written(
        tmp_path,
        "id,year,country,genres\n20,1990,FR,rock|pop\n10,1980,DE,rock\n40,,FR,\n30,2000,,jazz|jazz\n",
    )
    found = read_features(path, IDS)
    scale = np.std([1980, 1990, 2000])
    assert columns(found) == {
        "year": pytest.approx([-10 / scale, 0, 10 / scale, 0]),
        "country=DE": [1, 0, 0, 0],
        "country=FR": [0, 1, 0, 1],
        "genres=jazz": [0, 0, 1, 0],
        "genres=pop": [0, pytest.approx(ROOT), 0, 0],
        "genres=rock": [1, pytest.approx(ROOT), 0, 0],
    }
    assert found.encoder.fields == ["year", "country", "country", "genres", "genres", "genres"]
    assert found.without == 0


def test_a_long_table_has_an_attribute_a_row(tmp_path):
    path = written(
        tmp_path, "item;name;value\n10;mood;sad\n10;mood;slow\n20;mood;sad\n20;bpm;120\n99;bpm;90\n"
    )
    found = read_features(path, IDS)
    assert columns(found) == {
        "mood=sad": [pytest.approx(ROOT), 1, 0, 0],
        "mood=slow": [pytest.approx(ROOT), 0, 0, 0],
    }
    assert found.unknown_ids == 1
    assert found.without == 2
    text = " ".join(found.sentences())
    assert "2 of 4 items have no attributes" in text
    assert "do not have 1 of the items with attributes" in text


def test_weights_of_few_rows_are_strengths(tmp_path):
    path = written(tmp_path, "item,tag,weight\n10,rock,2\n10,pop,1\n20,jazz,4\n30,folk,1\n40,x,1\n")
    assert columns(read_features(path, IDS))["rock"] == [1, 0, 0, 0]


def test_ids_that_occur_twice_beside_one_column_have_tags(tmp_path):
    for text in ("10,rock\n10,pop\n20,rock\n", "item\ttag\n10\trock\n10\tpop\n20\trock\n"):
        found = columns(read_features(written(tmp_path, text), IDS))
        assert found == {
            "tag=pop": [pytest.approx(ROOT), 0, 0, 0],
            "tag=rock": [pytest.approx(ROOT), 1, 0, 0],
        }


def test_layouts_of_movielens_and_hetrec(tmp_path):
    films = [f"{n}::Film {n} (19{n})::{'Drama' if n % 2 else 'Drama|War'}\n" for n in range(10, 60)]
    path = written(tmp_path, "".join(films) + "60::Café::War\n", encoding="latin-1")
    found = read_features(path, np.arange(10, 61))
    assert found.encoder.names == ["column 3=Drama", "column 3=War"]
    assert any("column 2 is left out: 51 of its 51 texts differ" in s for s in found.sentences())
    rows = [(2, 10, 5), (2, 10, 7), (3, 10, 5), (3, 20, 5)]
    tags = "userID\tartistID\ttagID\tday\tmonth\tyear\n"
    tags += "".join("\t".join(map(str, (*row, 1, 4, 2009))) + "\n" for row in rows)
    found = read_features(written(tmp_path, tags), IDS)
    assert found.encoder.names == ["tag=5", "tag=7"]
    assert found.matrix.toarray()[0] == pytest.approx([ROOT, ROOT])
    assert any("1 rows repeat another" in sentence for sentence in found.sentences())


def test_rare_tags_and_a_constant_column(tmp_path):
    path = written(tmp_path, "item,tag\n10,rock\n10,odd\n20,rock\n")
    found = read(path, IDS, min_count=2)
    assert found.without == 2
    assert "1 column of item attributes: tag (tags, 1)" in found.sentences()[0]
    assert columns(found) == {"tag=rock": [1, 1, 0, 0], "(all)": [1, 1, 1, 1]}
    assert any("1 values of tag are left out: fewer than 2" in s for s in found.sentences())


def test_kinds_may_be_named(tmp_path):
    path = written(tmp_path, "user,job\n10,4\n20,7\n30,4\n40,4\n")
    assert list(columns(read_features(path, IDS, side="user"))) == ["job"]
    found = read_features(path, IDS, side="user", kinds={"job": "category"})
    assert columns(found) == {"job=4": [1, 0, 1, 1], "job=7": [0, 1, 0, 0]}
    for kinds, words in (({"age": "number"}, "must name fields"), ({"job": "text"}, "one of")):
        with pytest.raises(InputError, match=words):
            read_features(path, IDS, side="user", kinds=kinds)


def test_parquet_is_read_alike(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"item": [10, 20, 30], "year": [1.0, 3.0, None], "genres": ["a|b", "a", "b"]})
    parquet.write_table(table, tmp_path / "items.parquet")
    found = read_features(tmp_path / "items.parquet", IDS)
    assert columns(found)["year"] == pytest.approx([-1, 1, 0, 0])
    assert columns(found)["genres=b"] == pytest.approx([ROOT, 0, 1, 0])


def test_other_rows_are_encoded_alike(tmp_path):
    path = written(tmp_path, "id,year,genres\n10,1980,rock\n20,2000,pop|rock\n30,1990,pop\n")
    encoder = read_features(path, IDS).encoder
    rows = encoder.encode_records([{"year": 2000, "genres": ["pop", "polka"], "mood": "sad"}, {}])
    again = dict(zip(encoder.names, rows.toarray()[0], strict=True))
    assert again == {
        "year": pytest.approx(10 / np.std([1980, 2000, 1990])), "genres=pop": 1, "genres=rock": 0
    }  # fmt: skip
    assert not rows.toarray()[1].any()
    assert encoder.unknown == {"genres": 1, "mood": 1}
    with pytest.raises(InputError, match="year must be a number, got 'old'"):
        encoder.encode_records([{"year": "old"}])
    other = written(tmp_path, "id,genres,year\n40,rock|ska,1990\n", "other.csv")
    found = read_features(other, IDS, encoder=encoder)
    assert found.matrix.shape == (4, 3)
    assert found.matrix.toarray()[3] == pytest.approx([0, 0, 1])
    assert "values that the fit did not see are left out: 1 of genres" in found.notes


@given(
    st.lists(
        st.fixed_dictionaries({
            "a": st.sampled_from(["x", "y", "z", ""]),
            "b": st.floats(-1e6, 1e6, allow_nan=False).map(repr),
            "c": st.lists(st.sampled_from(["k", "l", "m"]), max_size=3),
        }),
        min_size=2, max_size=8,
    )
)  # fmt: skip
def test_an_encoder_comes_back_from_its_description(records):
    from halfstep.datasets.features.table import Table

    fields = {
        "a": [(n, r["a"]) for n, r in enumerate(records) if r["a"]],
        "b": [(n, r["b"]) for n, r in enumerate(records)],
        "c": [(n, t) for n, r in enumerate(records) for t in dict.fromkeys(r["c"])],
    }
    table = Table([str(n) for n in range(len(records))], fields, frozenset("c"), [])
    assume(any(len({text for _, text in fields[name]}) > (name == "b") for name in fields))
    encoder, _ = FeatureEncoder.of(table, constant=bool(len(records) % 2))
    again = FeatureEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    rows = [encoder.encode(len(records), fields), again.encode_records(records)]
    np.testing.assert_array_equal(rows[0].toarray(), rows[1].toarray())
    assert again.names == encoder.names


def test_doubtful_values_and_columns_are_said(tmp_path):
    rows = "".join(f"{n},{1990 + n % 7},{'NA' if n % 2 else 'FR'},7\n" for n in range(10, 40))
    path = written(tmp_path, "id,year,country,same\n" + rows + "40,unknown,FR,7\n")
    found = read_features(path, np.arange(10, 41))
    assert found.encoder.names == ["year", "country=FR", "country=NA"]
    said = " ".join(found.sentences())
    assert "1 values of year are no numbers and count as missing: 'unknown'" in said
    assert "same is the same number everywhere" in said
    codes = written(tmp_path, "id,zip\n10,0123\n20,0123\n30,4567\n")
    assert read_features(codes, IDS).encoder.names == ["zip=0123", "zip=4567"]


def test_a_repeated_row_makes_no_long_table(tmp_path):
    rows = "".join(f"{n},metal,{1990 + n % 3}\n" for n in range(10, 40))
    path = written(tmp_path, "item,genre,year\n" + rows + "10,metal,1991\n")
    assert read_features(path, np.arange(10, 40)).encoder.names == ["genre=metal", "year"]
    path = written(tmp_path, "item,genre,year\n" + rows + "10,rock,1991\n")
    with pytest.raises(InputError, match="one row, got '10' twice, with genre 'metal' and 'rock'"):
        read_features(path, np.arange(10, 40))
    titles = "".join(f"{n},Song {n},{n % 5}\n" for n in range(10, 40))
    path = written(tmp_path, "item,name,count\n" + titles)
    assert read_features(path, np.arange(10, 40)).encoder.names == ["count"]


BAD = {
    "twice": ("id,year,mood\n10,1990,a\n10,1991,a\n", "one row, got '10' twice, with year '1990'"),
    "infinite": ("id,year\n10,1990\n20,inf\n", "year must be a number below 1e.100 in size, got 'inf'"),
    "foreign": ("id,year\n7,1990\n8,1991\n", "must be the data's items, got '7', '8'"),
    "header alone": ("id,year\n", "must have rows below the header"),
    "nothing": ("id,year\n10,\n20,\n", "must have an attribute"),
    "twice a column": ("id,x,x\n10,1,2\n", "different names, got 'x' twice"),
    "one column": ("id\n10\n", "must have columns"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_by_its_name(case, tmp_path):
    text, words = BAD[case]
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=words) as caught:
        read_features(path, IDS)
    assert str(path) in str(caught.value)


def test_bad_arguments_are_refused(tmp_path):
    path = written(tmp_path, "id,year\n10,1990\n20,1991\n")
    for words, more in (
        ("'user' or 'item'", {"side": "items"}),
        ("'long', 'wide' or None", {"table": "tall"}),
        ("has no column 'key'; its columns are 'id', 'year'", {"id_column": "key"}),
    ):
        with pytest.raises(InputError, match=words):
            read_features(path, IDS, **more)
    with pytest.raises(InputError, match="no description"):
        FeatureEncoder.from_dict({"fields": []})
