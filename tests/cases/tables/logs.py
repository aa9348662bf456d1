"""Tables in the form of public logs: Last.fm, Steam, check-ins, and what else has no known header."""

from __future__ import annotations

from cases.tables import ARTISTS, SHA, Case, Row, entries, lines, plays, same, text

_GAMES = [f"Game {i}, the sequel" if i % 4 == 0 else f"Game {i}" for i in range(15)]


def _hours(row: Row) -> float:
    return (17 * row.place % 2000) / 10 + 0.5


def _like(row: Row) -> int:
    return -1 if row.place % 3 == 0 else 7


_MUSIC = [
    Case(
        "lastfm360k.tsv",
        lines("{sha}\t{mbid}\t{artist}\t{plays}"),
        None,
        said={"user": 1, "item": 3, "value": 4},
        # As an id "nan" is missing, whatever band it is.
        told={
            key: value
            for key, value in entries(SHA.__getitem__, ARTISTS.__getitem__, plays).items()
            if key[1] != "nan"
        },
        left_out={
            "missing item": sum(1 for key in entries(same, ARTISTS.__getitem__) if key[1] == "nan")
        },
    ),
    Case(
        "lastfm1k.tsv",
        lines("user_{u:06d}\t2009-04-{day}T01:57:47Z\t{mbid}\t{artist}\t\tsong {i}"),
        None,
        said={"user": 1, "item": 6, "time": 2},
        told=entries(lambda u: f"user_{u:06d}", lambda i: f"song {i}"),
        times=True,
    ),
    Case(
        "train_triplets.txt",
        lines("{sha}\tSO{i:016X}\t{plays}"),
        entries(SHA.__getitem__, lambda i: f"SO{i:016X}", plays),
    ),
]

_OTHERS = [
    Case(
        "steam-200k.csv",
        lines(
            '{user},"{game}",purchase,1.0,0\n{user},"{game}",play,{hours},0',
            user=lambda row: 1000 + row.u,
            game=lambda row: _GAMES[row.i],
            hours=_hours,
        ),
        None,
        said={"user": 1, "item": 2, "value": 4},
        told=entries(lambda u: 1000 + u, _GAMES.__getitem__, lambda row: 1 + _hours(row)),
        duplicates=60,
    ),
    Case(
        "checkins.txt",
        lines(
            "{u}\t2010-10-{day}T23:55:27Z\t30.2{k:03d}\t-97.7{k:03d}\t{place}",
            place=lambda row: 22000 + row.i,
        ),
        None,
        said={"user": 1, "item": 5, "time": 2},
        told=entries(same, lambda i: 22000 + i),
        times=True,
    ),
    Case(
        "courses.csv",
        lines("{u},{i},{s}", "user_id,course_id,ts\n"),
        entries(same, same),
        times=True,
    ),
    Case(
        "reversed_unknown.csv",
        lines(
            "{article},{u},{plays}",
            "article_id,customer_id,quantity\n",
            article=lambda row: 9000 + row.i,
        ),
        entries(same, lambda i: 9000 + i, plays),
        columns={"user": "customer_id", "item": "article_id", "value": "quantity"},
    ),
    Case(
        "kaggle_pageviews.csv",
        lines("s{k},p{i},{plays},{u}", "session,page,count,user\n"),
        entries(same, lambda i: f"p{i}", plays),
        columns={"user": "user", "item": "page", "value": "count"},
    ),
    Case(
        "negative.csv",
        lines("{u},{i},{like}", "user_id,anime_id,rating\n", like=_like),
        None,
        said={"negative": "drop"},
        told={key: value for key, value in entries(same, same, _like).items() if value > 0},
        left_out={"negative value": 20},
    ),
    Case(
        "zeros.csv",
        text(
            "user_id,item_id,count\n7,0100000003,1\n7,100000003,2\n007,0100000003,4\n8,0100000004,1\n"
        ),
        {
            ("7", "0100000003"): 1.0,
            ("7", "100000003"): 2.0,
            ("007", "0100000003"): 4.0,
            ("8", "0100000004"): 1.0,
        },
    ),
]

LOGS = [*_MUSIC, *_OTHERS]
