"""Tables that are odd as text: encodings, quotes, separators, headers, missing values, packed files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa

from cases.tables import Case, entries, lines, one, plays, same, text

_PLAYS = entries(same, same, plays)
_HEADER = "user,item,plays\n"

_ENCODINGS = [
    Case("utf16.csv", lines("{u},{i},{plays}", "\ufeff" + _HEADER, encoding="utf-16-le"), _PLAYS),
    Case(
        "utf16_big.csv", lines("{u},{i},{plays}", "\ufeff" + _HEADER, encoding="utf-16-be"), _PLAYS
    ),
    Case("mac_cr.csv", lines("{u},{i},{plays}", _HEADER, newline="\r"), _PLAYS),
    Case(
        "latin1_names.csv",
        text(
            "user,artist,plays\n1,Björk,5\n1,Bjärk,7\n2,Björk,1\n2,Múm,3\n3,Móm,2\n",
            encoding="latin-1",
        ),
        {
            ("1", "Björk"): 5.0,
            ("1", "Bjärk"): 7.0,
            ("2", "Björk"): 1.0,
            ("2", "Múm"): 3.0,
            ("3", "Móm"): 2.0,
        },
    ),
]

_NUMBERS = [
    Case(
        "decimal_comma.csv",
        lines("{u};{i};{plays},5", "user;item;plays\n"),
        entries(same, same, lambda row: row.plays + 0.5),
    ),
    Case(
        "decimal_comma_headless.csv",
        lines("{u};{i};{plays},5"),
        entries(same, same, lambda row: row.plays + 0.5),
    ),
    Case(
        "decimal_comma_ints.csv",
        lines(
            "{u};{i};{value}",
            "user;item;plays\n",
            value=lambda row: row.plays if row.place % 3 else "2,5",
        ),
        entries(same, same, lambda row: row.plays if row.place % 3 else 2.5),
    ),
    Case(
        "thousands.csv",
        lines(
            "{u},{i},{value}",
            _HEADER,
            value=lambda row: 20 + row.place if row.place % 10 else f'"1,{200 + row.place}"',
        ),
        entries(same, same, lambda row: (20 if row.place % 10 else 1200) + row.place),
    ),
    Case(
        "booleans.csv",
        lines("u{u},i{i},{value}", "user,item,value\n", value=lambda row: bool(row.place % 3)),
        {
            key: value
            for key, value in entries(
                lambda u: f"u{u}", lambda i: f"i{i}", lambda row: bool(row.place % 3)
            ).items()
            if value
        },
    ),
]

_ROWS = [
    Case(
        "dups_ratings.csv",
        text("user,item,rating\n1,1,4\n1,1,5\n1,2,3\n2,1,5\n2,2,1\n2,2,1\n"),
        {("1", "1"): 5.0, ("1", "2"): 3.0, ("2", "1"): 5.0, ("2", "2"): 1.0},
        said={"duplicates": "mean"},
        told={("1", "1"): 4.5, ("1", "2"): 3.0, ("2", "1"): 5.0, ("2", "2"): 1.0},
        duplicates=2,
    ),
    Case(
        "dups_plays.csv",
        text("user,item,plays\n1,1,4\n1,1,5\n2,1,5\n"),
        {("1", "1"): 9.0, ("2", "1"): 5.0},
        duplicates=1,
    ),
    Case(
        "missing.csv",
        text(
            "user,item,plays\nu1,i1,3\nNA,i1,2\nNone,i2,2\n\\N,i1,9\nN/A,i3,1\nu2,NA,1\nu2,i2,NA\n"
            "u2,,1\n,i1,4\n<NA>,i2,3\nu3,i3,\n"
        ),
        {("u1", "i1"): 3.0},
        left_out={"missing user": 6, "missing item": 2, "missing value": 2},
    ),
    Case(
        "spaces.csv",
        text('user, item, plays\nu1, i1, 3\nu2, i1, 2\nu2 , i1, 4\nu2, "i 2", 1\n'),
        {("u1", "i1"): 3.0, ("u2", "i1"): 6.0, ("u2", "i 2"): 1.0},
        duplicates=1,
    ),
    Case(
        "multiline.csv",
        text(
            'user_id,item_id,rating,review\n1,1,5,"good\nvery, very good"\n1,2,3,"fine"\n'
            '2,1,4,"a\nb\nc"\n2,3,2,plain\n'
        ),
        {("1", "1"): 5.0, ("1", "2"): 3.0, ("2", "1"): 4.0, ("2", "3"): 2.0},
    ),
]

_HEADERS = [
    Case(
        "pairs_no_header.tsv",
        text("alice\tabba\nbob\t311\ncarol\tabba\ncarol\t311\nalice\t1349\nbob\tabba\n"),
        {
            ("alice", "abba"): 1.0,
            ("bob", "311"): 1.0,
            ("carol", "abba"): 1.0,
            ("carol", "311"): 1.0,
            ("alice", "1349"): 1.0,
            ("bob", "abba"): 1.0,
        },
    ),
    Case(
        "pairs_unknown_header.csv",
        text("member,beer_name\nann,stout\nbea,porter\nann,porter\ncee,stout\n"),
        {
            ("ann", "stout"): 1.0,
            ("bea", "porter"): 1.0,
            ("ann", "porter"): 1.0,
            ("cee", "stout"): 1.0,
        },
    ),
    Case(
        "r_write_table.txt",
        lines('"{k1}" {u} {i} {plays}', '"user" "item" "plays"\n', k1=lambda row: row.place + 1),
        _PLAYS,
    ),
    Case("pandas_index.csv", lines("{k},{u},{i},{plays}", ",user,item,plays\n"), _PLAYS),
    Case(
        "pandas_index_noname.csv",
        lines("{k},{u},{i},{plays}", ",0,1,2\n"),
        None,
        said={"user": 2, "item": 3, "value": 4},
        told=_PLAYS,
    ),
    Case(
        "comment_header.csv",
        lines("{u},{i},{plays}", "# made by tool 1.0\n# user item plays\n"),
        _PLAYS,
    ),
]


def _packed(ending: str) -> Case:
    expected = entries(one, one, lambda row: row.plays / 2)

    def write(path: Path) -> None:
        plain = path.with_name("plain.csv")
        lines("{u1},{i1},{half}", "userId,movieId,rating\n", half=lambda r: r.plays / 2)(plain)
        table = plain.read_bytes()
        plain.unlink()
        if ending == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("ratings.csv", table)
            return
        if ending == "zst":
            with pa.output_stream(str(path), compression="zstd") as stream:
                stream.write(table)
            return
        pack = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[ending]
        path.write_bytes(pack(table))

    return Case(f"packed.csv.{ending}", write, expected)


ODD = [
    *(*_ENCODINGS, *_NUMBERS, *_ROWS, *_HEADERS),
    *(_packed(ending) for ending in ("gz", "bz2", "xz", "zst", "zip")),
]
