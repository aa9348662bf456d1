"""The names that columns of public data have, by role and strength.

Names are compared without case and punctuation, and without the types that RecBole adds to them
(`item_id:token`). A name is a word and perhaps a suffix: `movie`, `movieId`, `movie_name`.
"""

from __future__ import annotations

import re
from typing import Literal

Role = Literal["user", "item", "value", "time"]
# Smaller is stronger: first by the word's group, then by its suffix.
Strength = tuple[int, int]

# A user acts in sessions, and a session has orders: the person is meant where there is one.
_USER_WORDS = (
    "user usr usersha1 usermboxsha1",
    "customer cust customerunique member msno profile reviewprofile account acct visitor fullvisitor "
    "reviewer rater voter person client patron listener viewer watcher reader buyer purchaser shopper "
    "consumer player gamer student learner subscriber household householdkey guest traveler traveller "
    "patient borrower panelist steam authorsteam worker applicant follower consumerkey citizen",
    "session sess usersession device cookie browser playlist visit",
    "order basket cart transaction invoice receipt trip ticket",
)
_ITEM_WORDS = (
    "item parentasin",
    "asin isbn article artist author venue business product prod movie film song track recording book "
    "game app course beer beerbeer wine recipe joke anime manga video clip photo image show series "
    "episode programme program podcast news story page webpage url website poi location place gmap "
    "restaurant hotel property listing stock sku upc ad advert advertisement creative paper "
    "publication document doc post thread subreddit channel station stream streamer repository repo "
    "project package problem question exercise content offer deal coupon job vacancy destination "
    "landmark concert drug medicine dish meal board pin group service asset fund comic wikipage",
    "album merchant seller shop store vendor brand brewery winery publisher director",
)
_USER_ALIASES: dict[str, Strength] = {"uid": (0, 0), "orderkey": (3, 1)}
_ITEM_ALIASES: dict[str, Strength] = {
    "iid": (0, 0),
    "title": (3, 1),
    "clickeditem": (1, 0),
    "clickarticleid": (1, 0),
}
_SUFFIXES = {
    suffix: rank
    for rank, suffixes in enumerate(
        (
            ("id", "ids", "sid"),
            ("", "asin", "sha1", "hash", "uuid", "guid", "idx", "index"),
            ("no", "nr", "num", "number", "code", "key", "sk"),
            ("name", "title"),
        )
    )
    for suffix in suffixes
}
_NAMES = ("name", "title", "description", "desc", "")
_ANY_NAME = ("title", "prodname", "productname")
_ITEM_TITLES = {"stockcode": ("description", "productname"), "isbn": ("booktitle", "title")}

_COUNTS = (
    "interactions interactioncount numinteractions ninteractions",
    "plays play playcount playcounts playscount nplays numplays totalplays listens listencount "
    "listencounts nlistens scrobbles scrobblecount count counts cnt freq frequency quantity qty "
    "itemquantity orderquantity units unitssold hours hoursplayed playtime playtimeforever "
    "playtimehours hoursonrecord numberoftimes times ntimes views viewcount nviews pageviews clicks "
    "clickcount purchases purchasecount npurchases orders visits visitcount nvisits checkins "
    "checkincount watches watchcount nwatches downloads downloadcount",
    "value weight weights strength watchratio amountofplays",
)
_RATINGS = (
    "rating overall overallrating reviewoverall stars starrating ratings",
    "score scores reviewscore reviewrating bookrating movierating animerating userrating userscore "
    "myrating myscore ratingscore ratingvalue ratingval star reviewstars rate grade stars5 "
    "customerrating itemrating reviewstar ratingnum ratingstars",
    "preference points reviewpoints",
)
# In this order; all are times of a row, but the first ones are exact.
_TIMES = (
    "timestamp unixreviewtime unixtime unixtimestamp ratingtimestamp utctimestamp timestamps epoch "
    "epochtime unix ts timems timestampms datetime eventtime eventtimestamp createdat createdtime "
    "utctime time reviewtime playedat listenedat ratedat watchedat visittime checkintime clicktime "
    "purchasetime ordertime transactiontime logtime servertime starttime localtime submittedat "
    "updatedat reviewtimestamp timecreated timestampcreated timestampunix date tdat dt day "
    "reviewdate reviewday orderdate orderpurchasetimestamp invoicedate purchasedate transactiondate "
    "transdate salesdate saledate ratingdate dateadded dateupdated eventdate visitdate watchdate "
    "playdate created when"
)
# A column of such names tells kinds of rows apart ("view", "purchase"), which then count alike.
_EVENTS = (
    "event eventtype eventname behavior behaviour behaviortype behaviourtype action actiontype "
    "activity activitytype interaction interactiontype interactionname feedbacktype type"
)


def plain(name: str) -> str:
    """Return a name without case, punctuation and RecBole's types."""
    name = re.sub(r":(token|float|token_seq|float_seq)$", "", name.strip())
    return re.sub(r"[\W_]+", "", name.casefold())


def strength(role: Role, name: str) -> Strength | None:
    """Return how surely a column of this name has the role (smaller: surer), or None if it does not."""
    word = plain(name)
    if role == "user":
        return _USERS.get(word)
    if role == "item":
        return _ITEMS.get(word)
    if role == "value":
        return _VALUES.get(word)
    times = _TIMES.split()
    return (times.index(word), 0) if word in times else None


def is_rating(name: str) -> bool:
    """Whether the name is one of ratings, of which several by one user for one item are not added."""
    return any(plain(name) in words.split() for words in _RATINGS)


def is_event(name: str) -> bool:
    """Whether the name is one of a column that tells kinds of events apart."""
    return plain(name) in _EVENTS.split()


def names_of(item: str) -> tuple[str, ...]:
    """Return what the column with the names of an item column's items may be called, likeliest first."""
    word = plain(item)
    if word in _ITEM_TITLES:
        return _ITEM_TITLES[word]
    for suffix in ("ids", "sid", "id", "code", "key", "index", "idx", "number", "num", "no", "nr"):
        if word.endswith(suffix) and len(word) > len(suffix):
            word = word.removesuffix(suffix)
            break
    specific = (*(word + ending for ending in _NAMES), f"item{_NAMES[0]}", *_ANY_NAME)
    return tuple(name for name in dict.fromkeys(specific) if name != plain(item))


def _with_suffixes(groups: tuple[str, ...]) -> dict[str, Strength]:
    known: dict[str, Strength] = {}
    for group, words in enumerate(groups):
        for word in words.split():
            for suffix, rank in _SUFFIXES.items():
                known.setdefault(word + suffix, (group, rank))
    return known


def _ranked(*classes: tuple[str, ...]) -> dict[str, Strength]:
    return {
        word: (group, 0)
        for groups in classes
        for group, words in enumerate(groups)
        for word in words.split()
    }


_USERS = _with_suffixes(_USER_WORDS) | _USER_ALIASES
_ITEMS = _with_suffixes(_ITEM_WORDS) | _ITEM_ALIASES
_VALUES = _ranked(_COUNTS, _RATINGS)
