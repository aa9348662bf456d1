"""Tables in the form of public data sets: MovieLens, Amazon, H&M, Last.fm, RecBole and others."""

from __future__ import annotations

from cases.tables import (
    ASINS,
    CUSTOMERS,
    ISBNS,
    REVIEWERS,
    Case,
    Row,
    entries,
    lines,
    one,
    plays,
)

_STARS = entries(one, one, plays)
_REVIEWS = entries(REVIEWERS.__getitem__, ASINS.__getitem__, plays)


def _half(row: Row) -> float:
    return row.plays / 2


def _of_book(row: Row) -> int:
    return (0, 0, 0, 5, 8)[row.place % 5]


def _event(row: Row) -> str:
    return ("view", "view", "addtocart", "transaction")[row.place % 4]


_MOVIELENS = [
    Case(
        "ml_ratings.dat",
        lines("{u1}::{i1}::{plays}::{s}"),
        _STARS,
        columns={"user": "column 1", "item": "column 2", "value": "column 3", "time": "column 4"},
        times=True,
    ),
    Case(
        "ml_ratings.csv",
        lines("{u1},{i1},{half},{s}", "userId,movieId,rating,timestamp\n", half=_half),
        entries(one, one, _half),
        columns={"user": "userId", "item": "movieId", "value": "rating", "time": "timestamp"},
        times=True,
    ),
    Case("ml_u.data", lines("{u1}\t{i1}\t{plays}\t{s}"), _STARS, times=True),
    Case(
        "ml_crlf_bom.csv",
        lines("{u1},{i1},3.5,{s}", "\ufeffuserId,movieId,rating,timestamp\n", newline="\r\n"),
        entries(one, one, lambda row: 3.5),
        columns={"user": "userId"},
        times=True,
    ),
]

_AMAZON = [
    Case("amazon2014.csv", lines("{reviewer},{asin},{plays}.0,{s}"), _REVIEWS, times=True),
    # Nothing in this file says that the item comes first.
    Case(
        "amazon2018_item_first.csv",
        lines("{asin},{reviewer},{plays}.0,{s}"),
        {(item, user): value for (user, item), value in _REVIEWS.items()},
        said={"user": 2, "item": 1, "value": 3, "time": 4},
        told=_REVIEWS,
        times=True,
    ),
    Case(
        "amazon2023.csv",
        lines("{reviewer},{asin},{plays}.0,{ms}", "user_id,parent_asin,rating,timestamp\n"),
        _REVIEWS,
        columns={"item": "parent_asin"},
        times=True,
    ),
    Case(
        "amazon_overall.csv",
        lines("{reviewer},{asin},{plays}.0,{s}", "reviewerID,asin,overall,unixReviewTime\n"),
        _REVIEWS,
        columns={"value": "overall", "time": "unixReviewTime"},
        times=True,
    ),
]

_RECBOLE = [
    Case(
        "rb_ml.inter",
        lines(
            "{u1}\t{i1}\t{plays}\t{s}",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n",
        ),
        _STARS,
        times=True,
    ),
    Case(
        "rb_no_rating.inter.tsv",
        lines("{u1}\t{i1}\t{s}", "user_id:token\titem_id:token\ttimestamp:float\n"),
        entries(one, one),
        times=True,
    ),
    Case(
        "rb_item_second.inter.tsv",
        lines(
            "{u1}\t{seller}\t{i1}\t700\t{s}\t{plays}",
            "user_id:token\tseller_id:token\titem_id:token\tcategory_id:token\ttimestamp:float"
            "\tinteractions:float\n",
            seller=lambda row: 900 + row.i % 3,
        ),
        _STARS,
        times=True,
    ),
    Case(
        "rb_session.inter.tsv",
        lines(
            "{u1}\t{i1}\t{s}\t{plays}",
            "session_id:token\titem_id:token\ttimestamp:float\tnumber of times:float\n",
        ),
        _STARS,
        times=True,
    ),
]

_BOOKS = [
    Case(
        "bookcrossing.csv",
        lines(
            '"{user}";"{isbn}";"{value}"',
            '"User-ID";"ISBN";"Book-Rating"\n',
            encoding="latin-1",
            user=lambda row: 276725 + row.u,
            value=_of_book,
        ),
        entries(lambda u: 276725 + u, ISBNS.__getitem__, _of_book),
    ),
    Case(
        "bookcrossing_digits.csv",
        lines(
            '"{user}";"0{book}";"{value}"',
            '"User-ID";"ISBN";"Book-Rating"\n',
            encoding="latin-1",
            user=lambda row: 276725 + row.u,
            book=lambda row: 34541762 + row.i,
            value=_of_book,
        ),
        entries(lambda u: 276725 + u, lambda i: f"0{34541762 + i}", _of_book),
    ),
]

_SHOPS = [
    Case(
        "hm_transactions.csv",
        lines(
            "2018-09-{day},{customer},010000000{i:x},0.0{price},{channel}",
            "t_dat,customer_id,article_id,price,sales_channel_id\n",
            price=lambda row: 10 + row.place,
            channel=lambda row: 1 + row.place % 2,
        ),
        entries(CUSTOMERS.__getitem__, lambda i: f"010000000{i:x}"),
        columns={"user": "customer_id", "item": "article_id", "time": "t_dat"},
        times=True,
    ),
    Case(
        "retailrocket_events.csv",
        lines(
            "{ms},{u1},{event},{i1},{order}",
            "timestamp,visitorid,event,itemid,transactionid\n",
            event=_event,
            order=lambda row: row.place if row.place % 4 == 3 else "",
        ),
        entries(one, one),
        columns={"user": "visitorid", "item": "itemid", "time": "timestamp"},
        times=True,
    ),
    Case(
        "order_products__prior.csv",
        lines(
            "{u1},{i1},{plays},{again}",
            "order_id,product_id,add_to_cart_order,reordered\n",
            again=lambda row: row.place % 2,
        ),
        entries(one, one),
    ),
    Case(
        "yoochoose-clicks.dat",
        lines(
            "{u1},2014-04-07T10:5{minute}:09.277Z,{item},{kind}",
            minute=lambda row: row.place % 10,
            item=lambda row: 214536500 + row.i,
            kind=lambda row: row.place % 3,
        ),
        None,
        said={"user": 1, "item": 3, "time": 2},
        told=entries(one, lambda i: 214536500 + i),
        times=True,
    ),
]

PUBLIC = [*_MOVIELENS, *_AMAZON, *_RECBOLE, *_BOOKS, *_SHOPS]
