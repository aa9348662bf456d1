"""From a dump's three files to clean plays: against pandas, from every packing, and line by line."""

import gzip
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from halfstep.cli.main import run
from halfstep.datasets import Dataset, load
from halfstep.datasets.audioscrobbler.aliases import account
from halfstep.datasets.audioscrobbler.filters import PSEUDO_ARTISTS, Filters
from halfstep.datasets.audioscrobbler.read import read_audioscrobbler
from halfstep.datasets.generated.dump import generate_dump
from halfstep.datasets.text.integers import parse_block
from halfstep.datasets.text.kernels import write_integers
from halfstep.datasets.text.line import Layout, parse, split
from halfstep.datasets.text.numbering import count_matrix, number
from halfstep.errors import InputError


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated") / "dump"
    generate_dump(folder, 20_000, seed=3)
    return folder


def with_pandas(folder, aliases):
    plays = pd.read_csv(
        folder / "user_artist_data.txt", sep=" ", header=None, names=["user", "artist", "plays"]
    )
    table = {}
    for line in (folder / "artist_alias.txt").read_text().splitlines():
        bad, _, good = line.partition("\t")
        if bad and good:
            table[int(bad)] = int(good)

    def end(artist):
        seen = [artist]
        while artist in table and table[artist] not in seen:
            artist = table[artist]
            seen.append(artist)
        return min(seen[seen.index(table[artist]) :]) if artist in table else artist

    step = (lambda a: table.get(a, a)) if aliases == "once" else end
    plays["artist"] = plays["artist"].map({a: step(a) for a in plays["artist"].unique()})
    return plays.groupby(["user", "artist"])["plays"].sum()


@pytest.mark.parametrize("aliases", ["once", "resolved"])
def test_it_does_what_pandas_does(dump, aliases):
    ours, theirs = read_audioscrobbler(dump, aliases=aliases), with_pandas(dump, aliases)
    matrix = ours.interactions.tocoo()
    assert ours.user_ids[matrix.row].tolist() == theirs.index.get_level_values(0).tolist()
    assert ours.item_ids[matrix.col].tolist() == theirs.index.get_level_values(1).tolist()
    assert matrix.data.tolist() == theirs.tolist()


def test_the_two_alias_policies_differ_where_there_are_chains(dump):
    once, resolved = (read_audioscrobbler(dump, aliases=a) for a in ("once", "resolved"))
    assert once.items > resolved.items
    assert once.interactions.sum() == resolved.interactions.sum()
    table = resolved.provenance["preparation"]["alias_table"]
    assert (table["chains"], table["self_loops"]) == (2, 1)
    assert [len(cycle) for cycle in table["cycles"]] == [2, 3]


def test_account_of_a_table():
    table = {1: 2, 2: 3, 4: 4, 9: 8, 8: 7, 7: 9, 5: 8}
    found = account(table)
    assert (found.entries, found.chains, found.self_loops) == (7, 2, 1)
    assert found.cycles == [[7, 9, 8]]


def test_every_packing_gives_the_same(dump, tmp_path):
    expected = load(dump)
    assert expected.provenance["malformed"]
    packed = tmp_path / "packed"
    packed.mkdir()
    for file in dump.iterdir():
        (packed / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 1))
    archives = tmp_path / "archives"
    archives.mkdir()
    with tarfile.open(archives / "dump.tar.gz", "w:gz") as archive:
        archive.add(dump, "inner")  # alphabetical: names and aliases before the plays
    for source in (packed, archives / "dump.tar.gz", archives, dump / "user_artist_data.txt"):
        found = load(source)
        assert found.content_hash == expected.content_hash
        assert found.item_names.tolist() == expected.item_names.tolist()
        strip = {
            k.removesuffix(".gz"): v for k, v in found.provenance["malformed"].items()
        }  # fmt: skip
        assert strip == expected.provenance["malformed"]


def test_an_archive_that_is_none(dump, tmp_path):
    whole = tmp_path / "dump.tar.gz"
    with tarfile.open(whole, "w:gz") as archive:
        archive.add(dump, "inner")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:20_000])
    text = tmp_path / "text.tgz"
    text.write_text("1 2 3\n")
    empty = tmp_path / "empty.tar.gz"
    with tarfile.open(empty, "w:gz") as archive:
        archive.add(dump / "artist_data.txt", "artist_data.txt")
    for path, says in ((cut, "read"), (text, "read"), (empty, "has no file")):
        with pytest.raises(InputError, match=says):
            load(f"audioscrobbler:{path}")


def test_generated_files_are_the_same_for_one_seed(dump, tmp_path):
    generate_dump(tmp_path / "again", 20_000, seed=3)
    generate_dump(tmp_path / "other", 20_000, seed=4)
    generate_dump(tmp_path / "heavy", 20_000, seed=3, tail=1.2)
    folders = (dump, tmp_path / "heavy")
    light, heavy = (np.quantile(load(folder).interactions.data, 0.99) for folder in folders)
    assert heavy > 3 * light
    for file in dump.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
        assert file.read_bytes() != (tmp_path / "other" / file.name).read_bytes()


LINES = (
    *(
        b"1 2 3",
        b"007 1 2",
        b"1  2 3",
        b"1\t2\t3",
        b" 1 2 3",
        b"1 2 3 ",
        b"",
        b" ",
        b"1 2",
        b"1 2 3 4",
    ),
    *(
        b"1 2 0",
        b"-1 2 3",
        b"1 2 -3",
        b"5.0 2 3",
        b"1 2 3e0",
        b"x 2 3",
        b"1 2 3\r",
        b"1 2 3\r4 5 6",
    ),
    *(b"9223372036854775807 1 1", b"9999999999999999999 1 1", b"\xff 1 1", b"1 2 3\x00", b"1,2,3"),
    *(b"99999999999999999999999 1 1", b'"1" 2 3', b"1 2 inf", b"nan 2 3", b"1_0 2 3", b"+1 2 3"),
)


@pytest.mark.parametrize("last", [b"\n", b""])
def test_the_compiled_parser_agrees_with_the_slow_one(last):
    rng = np.random.default_rng(0)
    layout = Layout(("id", "id", "count"), " ")
    chosen = [LINES[i] for i in rng.integers(len(LINES), size=2000)]
    block = b"\n".join(chosen) + last
    rows, bad = [], []
    for line, raw in enumerate(block.split(b"\n")[: -1 if last else None], 10):
        for part in raw.splitlines() or [b""]:
            problem, values = parse(split(part.decode("utf-8", "replace"), layout), layout.kinds)
            if problem:
                bad.append((problem, line))
            else:
                rows.append(values)
    parsed = parse_block(10, block, layout)
    assert parsed.columns.T.tolist() == rows
    assert [(kind, line) for kind, line, _ in parsed.bad] == bad


def test_integers_written_are_read_again():
    values = np.random.default_rng(0).integers(0, 10 ** np.arange(1, 19), size=(40, 18)).T[:3]
    values = np.concatenate([values, [[0, 10**17, 9], [1, 2, 3], [7, 8, 9]]], axis=1)
    text = np.empty(values.size * 20, np.uint8)
    block = text[: write_integers(np.ascontiguousarray(values), ord(" "), text)].tobytes()
    assert parse_block(1, block, Layout(("id",) * 3, " ")).columns.tolist() == values.tolist()


def test_counts_are_added_in_64_bits():
    big = 2**40 + 1
    matrix = count_matrix(*(np.array(c) for c in ([0, 0, 1], [1, 1, 0], [big, big, 1])), (2, 2))
    assert matrix.dtype == np.float64
    assert matrix.toarray().tolist() == [[0, 2 * big], [1, 0]]
    with pytest.raises(InputError, match="less than"):
        count_matrix(*(np.array(c) for c in ([0, 0], [1, 1], [2**62, 2**62])), (1, 2))


@pytest.mark.parametrize("largest", [50, 2**40])
def test_numbers_follow_the_ids(largest):
    ids = np.array([7, largest, 7, 0])
    codes, different = number(ids)
    assert codes.tolist() == [1, 2, 1, 0]
    assert different.tolist() == [0, 7, largest]


def test_filters_leave_what_they_promise(dump):
    everything = read_audioscrobbler(dump)
    assert np.isin(PSEUDO_ARTISTS, everything.item_ids).all()
    filters = Filters(pseudo_artists=True, outlier_percentile=98, min_audience=9, min_artists=12)
    left = read_audioscrobbler(dump, filters=filters)
    assert not np.isin(PSEUDO_ARTISTS, left.item_ids).any()
    assert np.diff(left.interactions.indptr).min() >= 12
    assert np.bincount(left.interactions.indices, minlength=left.items).min() >= 9
    account = left.provenance["preparation"]["left_out"]
    for what, before, after in (
        ("users", everything.users, left.users),
        ("artists", everything.items, left.items),
        ("rows", everything.entries, left.entries),
        ("plays", everything.interactions.sum(), left.interactions.sum()),
    ):
        assert before - after == sum(one[what] for one in account) > 0
    # What is left is what it was: same plays, same names, under the original ids.
    matrix = left.interactions.tocoo()
    users = [everything.user_index(u) for u in left.user_ids.tolist()]
    items = [everything.item_index(i) for i in left.item_ids.tolist()]
    same = everything.interactions[np.array(users)[matrix.row], np.array(items)[matrix.col]]
    assert np.asarray(same).ravel().tolist() == matrix.data.tolist()
    assert left.item_names.tolist() == everything.item_names[items].tolist()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"min_audience": 0}, "min_audience must be at least 1, got 0"),
        ({"outlier_percentile": 100}, "between 0 and 100, got 100"),
        ({"min_artists": 10**6}, "must leave some plays, got none"),
    ],
)
def test_filters_that_cannot_be(dump, arguments, says):
    with pytest.raises(InputError, match=says):
        read_audioscrobbler(dump, filters=Filters(**arguments))


def test_prepare_and_generate(tmp_path, capsys):
    def command(*arguments):
        return run(["data", *(str(a) for a in arguments)])

    folder, plays, bad = tmp_path / "dump", tmp_path / "plays.npz", tmp_path / "bad.tsv"
    assert command("generate", "audioscrobbler", "-o", folder, "--entries", 5000, "--seed", 1) == 0
    with (folder / "user_artist_data.txt").open("a") as file:
        file.write("1 2\n1 2 0\n")
    assert command("prepare", "audioscrobbler", folder, "-o", plays, "--bad-rows", bad) == 0
    said = capsys.readouterr().out
    assert "bad row in user_artist_data.txt: count below 1" in said
    listed = [line.split("\t") for line in bad.read_text().splitlines()[1:]]
    assert [row[2:] for row in listed[-2:]] == [
        ["missing fields", "1 2"],
        ["count below 1", "1 2 0"],
    ]
    found, expected = Dataset.load_npz(plays), load(folder)
    assert found.content_hash == expected.content_hash
    assert found.provenance == expected.provenance
    for arguments, says in (
        (("prepare", "lastfm", folder, "-o", plays), "kind of dump must be audioscrobbler"),
        (("prepare", "audioscrobbler", folder, "-o", tmp_path / "x.csv"), "must end in .npz"),
        (("prepare", "audioscrobbler", tmp_path / "no", "-o", plays), "no such file or folder"),
        (
            ("prepare", "audioscrobbler", folder, "-o", plays, "--aliases", "twice"),
            "must be one of",
        ),
        (("generate", "audioscrobbler", "-o", plays), "must be a folder"),
    ):
        assert command(*arguments) == 2
        assert says in capsys.readouterr().err


def test_the_full_dump():
    """Numbers known of the dump of 6 May 2005."""
    folder = os.environ.get("HALFSTEP_AUDIOSCROBBLER")
    if not folder:
        pytest.skip("HALFSTEP_AUDIOSCROBBLER must name the folder of the full dump")
    once = read_audioscrobbler(Path(folder), aliases="once")
    assert (once.users, once.items, once.entries) == (148_111, 1_568_126, 24_133_304)
    resolved = read_audioscrobbler(Path(folder))
    assert (resolved.users, resolved.items) == (148_111, 1_568_117)
    raw = resolved.provenance["raw"]
    assert (raw["rows"], raw["plays"]) == (24_296_858, 371_638_969)
    assert raw["top artists"]["id"][0] == 979
    assert raw["top artists"]["plays"][0] == 2_502_130
    assert resolved.interactions.sum(dtype=np.float64) == 371_638_969
    column = resolved.item_index(979)
    assert resolved.item_names[column] == "Radiohead"
    plays = resolved.interactions.sum(axis=0, dtype=np.float64)
    assert int(np.asarray(plays).ravel()[column]) == plays.max() == 2_502_596
