"""The words of a description: of users and items, or of artists and plays where the data is music."""

from __future__ import annotations

import math
from typing import Any

# Columns of a table whose items are music, and what one item of each is.
_MUSIC_COLUMNS = {"artist": "artist", "track": "track", "song": "song"}
_MUSIC_FORMATS = ("audioscrobbler", "hetrec", "generated")

_GENERAL = {
    "what": "users and items",
    "pair": "an item",
    "lead": "{users:,} users have {count:,} items, with values that sum to {plays}",
    "plays": "values, summed",
    "plays per user": "sum of values per user",
    "items per user": "items per user",
    "plays per item": "sum of values per item",
    "audience per item": "users per item",
    "title of plays per user": "How much users have",
    "title of items per user": "How many items users have",
    "title of plays per item": "How much items get",
    "title of audience per item": "How many users an item reaches",
    "axis of plays per user": "sum of one user's values",
    "axis of items per user": "different items of one user",
    "axis of plays per item": "sum of one item's values",
    "axis of audience per item": "users of one item",
    "how plays per user": "Go up from a sum of values to the curve: this share of the users have at "
    "most so much. The curve is steep where many users are.",
    "how items per user": "How many different items a user has.",
    "how plays per item": "Most items have few entries, and a few are everybody's; only a logarithmic "
    "axis shows both.",
    "how audience per item": "An item of a single user says nothing about anybody else's taste.",
    "half": "half of the sum of all values is in\n{half:,} of {total:,} items",
    "axis of tail": "the items with the largest sums, how many",
    "share of tail": "their share of the sum of all values",
    "title of tail": "the largest items' share of the sum of all values",
    "how tail": "Items ordered from the largest to the smallest sum of values: the share of the first "
    "ones together.",
    "items by plays": "Items with the largest sums of values",
    "items by audience": "Items with the most users",
    "users by plays": "Users with the largest sums of values",
    "users by curiosity": "Users with the most different items",
    "audience": "users",
    "plays per listener": "sum per user",
    "favourite": "largest",
    "its plays": "its value",
    "share of plays of the top 1 % of items": "share of the top 1 % of items in the sum of all values",
    "share of plays of the top 100 items": "share of the top 100 items",
    "share of plays of the lower 80 % of items": "share of the lower 80 % of items",
    "items that make up half of all plays": "items that make up half of the sum of all values",
    "share of items with one listener": "share of items with one user",
    "share of items with at most ten listeners": "share of items with at most ten users",
    "their share of plays": "their share of the sum of all values",
}
_MUSIC = {
    "what": "what was played",
    "pair": "{an_item}",
    "lead": "{users:,} users played {count:,} {items} {plays} times",
    "title of plays per user": "How much users listen",
    "title of items per user": "How curious users are",
    "title of plays per item": "How much {items} are played",
    "title of audience per item": "How many people {an_item} reaches",
    "axis of plays per user": "plays of one user",
    "axis of items per user": "different {items} of one user",
    "axis of plays per item": "plays of one {item}",
    "axis of audience per item": "users of one {item}",
    "how plays per user": "Go up from a number of plays to the curve: this share of the users have at "
    "most so many plays. The curve is steep where many users are.",
    "how items per user": "Curiosity: how many different {items} a user has played at least once.",
    "how plays per item": "Most {items} are hardly played, and a few are played by everybody; only a "
    "logarithmic axis shows both.",
    "how audience per item": "{An_item} with one listener says nothing about anybody else's taste; a "
    "minimum audience leaves such {items} out.",
    "half": "half of all plays go to\n{half:,} of {total:,} {items}",
    "axis of tail": "the most played {items}, how many",
    "share of tail": "their share of all plays",
    "title of tail": "the most played {items}' share of all plays",
    "how tail": "{Items} ordered from the most to the least played: the share of plays of the first "
    "ones together.",
    "items by plays": "{Items} that are played most",
    "items by audience": "{Items} with the largest audience",
    "users by plays": "Users who play most",
    "users by curiosity": "The most curious users: those with the most different {items}",
}


class Words:
    """What a description says for its keys, which speak of artists and plays whatever the data is.

    Parameters
    ----------
    item
        "artist", "track" or "song" for music, else "item".
    """

    def __init__(self, item: str) -> None:
        an = "an" if item[0] in "aeiou" else "a"
        self._phrases = _GENERAL if item == "item" else _MUSIC
        self._item = item
        self._names = {
            "item": item,
            "items": f"{item}s",
            "Items": f"{item.capitalize()}s",
            "an_item": f"{an} {item}",
            "An_item": f"{an.capitalize()} {item}",
        }

    def __call__(self, key: str, **numbers: int | str) -> str:
        """Return the phrase for a key of the description, with the numbers that it has places for."""
        phrase = self._phrases.get(key.replace("artist", "item"))
        if phrase is None:
            return key.replace("artist", self._item)
        return phrase.format(**self._names, **numbers)


def shown(value: float) -> str:
    """Return a number for a reader: whole ones in full, others to a few digits."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{value:,.0f}"
    size = abs(value)
    digits = 1 if size >= 1_000 else 2 if size >= 1 else 3 - math.floor(math.log10(size))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".")


def item_word(provenance: dict[str, object]) -> str:
    """Return what an item of a data set is: "artist", "track" or "song" for music, else "item"."""
    account: Any = provenance.get("reading")
    columns = account.get("columns", {}) if isinstance(account, dict) else {}
    name = str(columns.get("item", "")).lower()
    for part in name.replace("-", "_").replace(" ", "_").replace(":", "_").split("_"):
        for found in (part, part.removesuffix("id"), part.removesuffix("s")):
            if found in _MUSIC_COLUMNS:
                return _MUSIC_COLUMNS[found]
    return "artist" if provenance.get("format") in _MUSIC_FORMATS else "item"
