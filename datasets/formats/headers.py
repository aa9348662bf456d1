"""Find which column of a table is the user, which the item and which the value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halfstep.errors import InputError

USER = {"user", "userid", "uid", "username", "usersha1", "visitorid", "customerid", "reviewerid"}
ITEM = {
    *("item", "itemid", "iid", "artist", "artistid", "movie", "movieid", "track", "trackid"),
    *("song", "songid", "book", "bookid", "product", "productid", "asin"),
}
VALUE = {"rating", "play", "plays", "playcount", "listens", "value", "weight", "count", "score"}


@dataclass(frozen=True)
class Roles:
    """Positions of the columns; `value` is None if every row counts as 1."""

    user: int
    item: int
    value: int | None


def by_name(names: Sequence[str]) -> Roles | None:
    """Find the columns by their names (ignoring case and punctuation), or return None."""
    plain = [re.sub(r"[^a-z0-9]", "", name.casefold()) for name in names]
    user, item, value = (
        next((place for place, name in enumerate(plain) if name in known), None)
        for known in (USER, ITEM, VALUE)
    )
    return None if user is None or item is None else Roles(user, item, value)


def by_position(width: int, path: Path) -> Roles:
    """Take the first column as user, the second as item, the third as value."""
    if width < 2:
        raise InputError(f"{path}: a table must have at least 2 columns (user, item), got {width}")
    return Roles(0, 1, 2 if width > 2 else None)
