"""The options for attributes of users and items, and the files that they name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from halfstep.errors import InputError

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset
    from halfstep.datasets.features.read import Features

UserFeatures = Annotated[
    Path | None,
    typer.Option(
        "--user-features",
        help="Table of the users' attributes: id, name, value; or a row for each id with numbers, "
        "categories and tags separated by |.",
    ),
]
ItemFeatures = Annotated[
    Path | None,
    typer.Option("--item-features", help="Table of the items' attributes, as --user-features."),
]
Strength = Annotated[
    str | None,
    typer.Option(
        "--feature-regularization",
        help="Ridge of what attributes say: a number, or one for users and one for items (10,30); "
        "the mean lambda if not given.",
    ),
]
MinCount = Annotated[
    int,
    typer.Option(
        "--feature-min-count",
        help="Leave out tags and categories of fewer users or items than this.",
    ),
]


class Sides(NamedTuple):
    """The attributes of both sides; None for one without."""

    user: Features | None
    item: Features | None

    def given(self) -> dict[str, Any]:
        """Return the arguments of a fit."""
        found = {"user_features": self.user, "item_features": self.item}
        return {name: side for name, side in found.items() if side is not None}


def read_sides(
    console: Any, dataset: Dataset, user: Path | None, item: Path | None, min_count: int = 1
) -> Sides:
    """Read the files of `--user-features` and `--item-features`, and say what was taken from them."""
    from halfstep.datasets.features.read import read_features

    if min_count < 1:
        raise InputError(f"--feature-min-count must be at least 1, got {min_count}")
    if min_count != 1 and user is None and item is None:
        raise InputError("--feature-min-count needs --user-features or --item-features")
    found: list[Features | None] = []
    for side, path, ids, count in (
        ("user", user, dataset.user_ids, dataset.users),
        ("item", item, dataset.item_ids, dataset.items),
    ):
        if path is None:
            found.append(None)
            continue
        features = read_features(
            path, count if ids is None else ids, side=side, min_count=min_count
        )
        for sentence in features.sentences():
            console.print(f"{path}: {sentence}", highlight=False, markup=False, soft_wrap=True)
        found.append(features)
    return Sides(*found)


def strength_of(text: str | None, sides: tuple[Any, Any] | None = None) -> Any:
    """Return `feature_regularization` of the option; raise InputError unless it is one or two numbers.

    With `sides`, what `--user-features` and `--item-features` name, one of them must be there.
    """
    if text is None:
        return None
    if sides is not None and sides == (None, None):
        raise InputError("--feature-regularization needs --user-features or --item-features")
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise InputError(f"--feature-regularization must be one number or two, got {text!r}")
    if not all(0 < number < math.inf for number in numbers):
        raise InputError(f"--feature-regularization must be positive, got {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def record_of(words: list[str]) -> dict[str, str]:
    """Return the attributes of `--attribute FIELD=VALUE`, given once or several times."""
    found: dict[str, list[str]] = {}
    for word in words:
        name, mark, value = word.partition("=")
        if not mark or not name.strip():
            raise InputError(f"--attribute must be FIELD=VALUE, got {word!r}")
        found.setdefault(name.strip(), []).append(value.strip())
    return {name: "|".join(values) for name, values in found.items()}
