"""Numbers of ids and blocks from tables: the same triples as pandas has, whatever the ids are like."""

import time
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from halfstep.distributed.blocks import join, load_block
from halfstep.distributed.facts import Facts
from halfstep.distributed.ids import ids_of_shard
from halfstep.distributed.numbering import number_ids
from halfstep.distributed.planning.paper import FILED
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

COLUMNS = {"user": "u", "item": "i", "value": "v"}


def frame_of(kind, rows=4000):
    """Return a table with skewed ids, pairs that come more than once, and values that are not whole."""
    rng = np.random.default_rng(0)
    users, items = rng.zipf(1.4, rows) % 301, rng.zipf(1.5, rows) % 97
    values = np.round(rng.random(rows), 3) + 0.1
    if kind == "wide":
        users, items = users * 10**16 - 7, (items - 40).astype(np.int8)
    if kind == "text":
        users, items = (np.array([f"ж{x}" for x in side], object) for side in (users, items))
    if kind == "mixed":
        items = np.array([f"item {x}" for x in items], object)
    return pd.DataFrame({"u": users, "i": items, "v": values})


def matrix_in(folder):
    """Return a folder's entries as a frame of ids, which the workers' numbers are taken out of."""
    facts, matrix = Facts.read(folder.child("data")), join(folder.child("data")).tocoo()
    ids = {
        side: np.concatenate(
            [ids_of_shard(folder, facts, side, k).to_numpy() for k in range(facts.shards)]
        )
        for side in ("user", "item")
    }
    assert matrix.shape == (len(ids["user"]), len(ids["item"]))
    found = {"u": ids["user"][matrix.row], "i": ids["item"][matrix.col], "v": matrix.data}
    return pd.DataFrame(found).sort_values(["u", "i"], ignore_index=True)


def check_items(folder):
    """Assert that the items' blocks and hubs have the entries that the users' have."""
    data = folder.child("data")
    facts, whole = Facts.read(data), join(data)
    hubs = [row for row, _ in facts.hubs["item"]]
    for k in range(facts.shards):
        block, first = load_block(data, "item", k), facts.starts["item"][k]
        rows = np.repeat(np.arange(len(block.lengths)) + first, block.lengths)
        shape = whole.shape[::-1]
        entries = block.values, (rows, block.needed[block.indices])
        part = sparse.csr_matrix(entries, shape=shape)[first : first + len(block.lengths)]
        expected = whole.T.tocsr()[first : first + len(block.lengths)].tolil()
        for row in hubs:
            if first <= row < first + len(block.lengths):
                expected[row - first] = 0
        assert abs(part - expected.tocsr()).max() == 0


SLOWER = [
    ("narrow", 60),
    ("wide", None),
    ("wide", 60),
    ("text", None),
    ("text", 60),
    ("mixed", None),
]


@pytest.mark.parametrize(
    ("kind", "hub_entries"),
    [
        ("narrow", None),
        ("mixed", 60),
        *(pytest.param(*case, marks=pytest.mark.soak) for case in SLOWER),
    ],
)
def test_entries_are_those_of_pandas(client, tables, tmp_path, kind, hub_entries):
    frame, folder = frame_of(kind), Folder(tmp_path / "fit")
    facts = number_ids(
        client, tables(frame), folder.child("data"), shards=3, hub_entries=hub_entries, **COLUMNS
    )
    found = matrix_in(folder)
    expected = frame.groupby(["u", "i"], as_index=False).v.sum().sort_values(["u", "i"])
    assert facts.entries == len(found) == len(expected)
    assert (found[["u", "i"]].to_numpy() == expected[["u", "i"]].to_numpy()).all()
    np.testing.assert_allclose(found.v, expected.v, rtol=4 * np.finfo(float).eps)
    check_items(folder)
    assert all(facts.hubs.values()) == (hub_entries is not None)
    assert folder.child("data").names() == sorted(
        ["blocks", "facts.json", "ids", *(["hubs"] if hub_entries else [])]
    )
    nothing_left(client)


def test_result_does_not_depend_on_files_order_or_pieces(client, tables, tmp_path, monkeypatch):
    frame = frame_of("mixed")
    one = number_ids(client, tables(frame), Folder(tmp_path / "1"), shards=3, **COLUMNS)
    order = np.random.default_rng(1).permutation(len(frame))
    table = tables(frame, 3, "other", order)
    monkeypatch.setattr("halfstep.distributed.numbering.pieces._SMALLEST", 1)  # each row group
    two = number_ids(client, table, Folder(tmp_path / "2"), shards=3, **COLUMNS)
    assert (two.identity, two.starts) == (one.identity, one.starts)
    alone = number_ids(None, table, Folder(tmp_path / "3"), shards=3, **COLUMNS)
    assert alone == two


def nothing_left(client):
    """Assert that the workers hold nothing; they hear of it a moment after the call."""
    end = time.perf_counter() + 10
    while any(client.has_what().values()):
        assert time.perf_counter() < end
        time.sleep(0.02)


@pytest.mark.parametrize("with_client", [False, True])
def test_dataframes_are_numbered_as_files(client, tables, tmp_path, with_client):
    import dask.dataframe as dd

    frame, of = frame_of("mixed"), client if with_client else None
    one = number_ids(None, tables(frame), Folder(tmp_path / "1"), shards=2, **COLUMNS)
    parts = dd.from_pandas(frame.astype({"i": "category"}).assign(other=1), npartitions=4)
    two = number_ids(of, parts, Folder(tmp_path / "2"), shards=2, **COLUMNS)
    assert (two.identity, two.id_types) == (one.identity, one.id_types)
    nothing_left(client)


def test_the_folder_takes_the_planned_bytes(tables, tmp_path, monkeypatch):
    frame, folder = frame_of("narrow", 40_000).assign(v=1.0), Folder(tmp_path / "fit")
    table = tables(frame, 2)
    sizes, remove = [], Folder.remove

    def removed(folder, name):
        found = [*tmp_path.glob("fit/work-*/codes-*"), *tmp_path.glob("fit/work-*/entries-*")]
        if not name:  # the folder of work itself, at the end
            sizes.extend(file.stat().st_size for file in found)
        remove(folder, name)

    monkeypatch.setattr(Folder, "remove", removed)
    number_ids(None, table, folder, shards=2, **COLUMNS)
    assert len(sizes) == 3  # of one piece
    heads = (16 + 3 * 128) + 2 * (
        24 + 2 * 3 * 128
    )  # places of parts, and what NumPy says of arrays
    assert sum(sizes) - heads == FILED * len(frame)


def test_rows_that_are_summed_up_make_no_hub(tables, tmp_path):
    """User 7 has 200 rows of 5 items, which are 5 entries; user 8 has 90 items."""
    frame = frame_of("narrow")
    frame = frame[~frame.u.isin([7, 8])]
    more = [
        pd.DataFrame({"u": 7, "i": np.arange(200) % 5, "v": 0.1 * (np.arange(200) % 7)}),
        pd.DataFrame({"u": 8, "i": np.arange(90), "v": 1.0}),
    ]
    frame, folder = pd.concat([frame, *more]), Folder(tmp_path / "fit")
    facts = number_ids(
        None, tables(frame), folder.child("data"), shards=3, hub_entries=80, **COLUMNS
    )
    summed = frame.groupby(["u", "i"], as_index=False).v.sum()
    for side, name in (("user", "u"), ("item", "i")):
        lengths = summed[name].value_counts()
        assert sorted(count for _, count in facts.hubs[side]) == sorted(lengths[lengths > 80])
        assert all(len(middles) == 16 for middles in facts.middles[side])
    found = matrix_in(folder)
    assert (found[["u", "i"]].to_numpy() == summed[["u", "i"]].to_numpy()).all()
    np.testing.assert_allclose(found.v, summed.v, rtol=4 * np.finfo(float).eps)
    check_items(folder)
    assert facts.entries == len(summed)


def test_without_values_rows_count(client, tables, tmp_path):
    frame, folder = frame_of("narrow"), Folder(tmp_path / "fit")
    facts = number_ids(client, tables(frame), folder.child("data"), shards=1, user="u", item="i")
    found = matrix_in(folder)
    assert found.v.sum() == len(frame)
    assert facts.columns["value"] is None


def test_data_that_is_there_is_used_or_refused(client, tables, tmp_path):
    table, folder = tables(frame_of("narrow")), Folder(tmp_path / "data")
    one = number_ids(client, table, folder, shards=2, **COLUMNS)
    block = (tmp_path / "data" / "blocks" / "user-00000.npz").stat().st_mtime_ns
    assert number_ids(client, table, folder, shards=2, resume=True, **COLUMNS) == one
    assert (tmp_path / "data" / "blocks" / "user-00000.npz").stat().st_mtime_ns == block
    with pytest.raises(InputError, match="another table: shards 2 there, 3 here"):
        number_ids(client, table, folder, shards=3, resume=True, **COLUMNS)
    other = tables(frame_of("narrow", 3000), name="other")
    with pytest.raises(InputError, match=r"another table: files .* there, .* here"):
        number_ids(client, other, folder, shards=2, resume=True, **COLUMNS)


def test_what_a_killed_numbering_left_is_removed(client, tables, tmp_path):
    folder = Folder(tmp_path / "data")
    for name in ("blocks/user-00007.npz", "work-12/ids-user-00009.parquet", "work-12/codes-000011"):
        with folder.writing(name) as file:
            file.write(b"half")
    number_ids(client, tables(frame_of("narrow")), folder, shards=2, resume=True, **COLUMNS)
    assert folder.child("blocks").names() == [
        f"{side}-0000{k}.npz" for side in ("item", "user") for k in (0, 1)
    ]
    assert folder.names() == ["blocks", "facts.json", "ids"]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("v", -2.5, r"'v' must be numbers of at least 0, got -2\.5 for u 300, i x"),
        ("v", np.inf, r"'v' must be numbers of at least 0, got inf for u 300, i x"),
        ("v", np.nan, r"'v' must be numbers of at least 0, got no value for u 300, i x"),
        ("u", np.nan, r"column 'u' of .*parquet' must have an id in each row, 1 lack it"),
        ("i", None, r"column 'i' of .*parquet' must have an id in each row, 1 lack it"),
    ],
)
def test_bad_rows_are_refused(client, tables, tmp_path, column, value, words):
    frame = frame_of("mixed", 200)
    bad = pd.DataFrame({"u": [300], "i": ["x"], "v": [1.0]})
    bad[column] = pd.array([value], "Int64") if column == "u" else [value]
    frame["u"] = frame["u"].astype("Int64")
    with pytest.raises(InputError, match=words):
        number_ids(
            client, tables(pd.concat([frame, bad])), Folder(tmp_path / "x"), shards=2, **COLUMNS
        )
    assert not list((tmp_path / "x").glob("**/*.*"))
    nothing_left(client)


def test_ids_of_several_types_in_a_dataframe_are_refused(tmp_path):
    """Of columns of objects; Dask makes texts of them by itself unless it is told otherwise."""
    import dask.dataframe as dd

    for ids in ([1, 2, "3", "4"], [1, "2", 3, "4"]):
        frame = pd.DataFrame({"u": pd.Series(ids, dtype=object), "i": [1, 2, 3, 4], "v": 1.0})
        with dask.config.set({"dataframe.convert-string": False}):
            parts = dd.from_pandas(frame, npartitions=2)
            with pytest.raises(InputError, match="must have ids of one type"):
                number_ids(None, parts, Folder(tmp_path), shards=1, **COLUMNS)


def test_a_damaged_page_names_its_file(tmp_path, tables):
    path = tables(frame_of("narrow"), 1)
    (file,) = Path(path).iterdir()
    found = bytearray(file.read_bytes())
    found[10:400] = b"\xff" * 390
    file.write_bytes(found)
    with pytest.raises(InputError, match=r"'.*000.parquet' cannot be read as Parquet: "):
        number_ids(None, path, Folder(tmp_path / "x"), shards=1, **COLUMNS)


def test_sums_are_the_same_in_any_order_or_refused(tables, tmp_path):
    """Of whole numbers beyond 2^53, too, which float64 rounds."""
    digests = set()
    for k, values in enumerate(([1e16, 1.0, 1.0], [1.0, 1.0, 1e16])):
        frame = pd.DataFrame({"u": [1, 1, 1], "i": [2, 2, 2], "v": values})
        folder = Folder(tmp_path / str(k))
        digests.add(
            number_ids(None, tables(frame, 1, f"t{k}"), folder, shards=1, **COLUMNS).identity
        )
    assert len(digests) == 1
    frame = pd.DataFrame({"u": [1, 1], "i": [2, 2], "v": [1e308, 1e308]})
    with pytest.raises(InputError, match="must have a finite sum"):
        number_ids(None, tables(frame), Folder(tmp_path / "x"), shards=1, **COLUMNS)


def test_data_is_taken_up_by_another_number_of_workers(client, tables, tmp_path):
    from cases.cluster.fits import over

    table = tables(frame_of("narrow"))
    settings = {"factors": 3, "iterations": 1, **COLUMNS}
    over(client, table, tmp_path / "fit", shards=3, **settings)
    model = over(client, table, tmp_path / "fit", resume=True, **settings)
    assert model.facts.shards == 3


def test_what_is_there_stays_until_the_new_table_is_read(tables, tmp_path):
    folder = Folder(tmp_path / "data")
    one = number_ids(None, tables(frame_of("narrow")), folder, shards=2, **COLUMNS)
    bad = frame_of("narrow").assign(v=-1.0)
    with pytest.raises(InputError, match="must be numbers of at least 0"):
        number_ids(None, tables(bad, name="bad"), folder, shards=2, **COLUMNS)
    assert Facts.read(folder) == one
    assert join(folder).nnz == one.entries
    assert folder.names() == ["blocks", "facts.json", "ids"]
