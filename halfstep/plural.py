"""Numbers before nouns and verbs."""

from __future__ import annotations

_SINGULAR = {"entries": "entry", "are": "is", "have": "has", "get": "gets"}


def counted(count: int, words: str) -> str:
    """Return "2 users have" or "1 user has" for "users have"; the number has commas.

    `words` are a noun in the plural, and then others, of which "are", "have" and "get" change with the
    number.
    """
    if count == 1:
        noun, *others = words.split(" ")
        singular = _SINGULAR.get(noun, noun.removesuffix("s"))
        words = " ".join([singular, *(_SINGULAR.get(other, other) for other in others)])
    return f"{count:,} {words}"
