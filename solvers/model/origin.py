"""Where a model's factors are from: from a fit or a file, or from a caller who has set them.

A fit that starts anew drops the factors that it finds. Those of a fit can be had again; those that a
caller has assigned, or solved by `partial_fit`, cannot, and so such a fit warns. The model holds weak
references to the objects (`Held`) that a fit, `load` or a conversion left in it. What is there now and
is none of them was assigned since. A copy made by pickle or `copy` has other objects: it keeps only
the answer.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from halfstep.solvers.model.held import SIDES, Held

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

_BY_HAND: tuple[Any, ...] = ()
_NOTHING: tuple[Any, ...] = (None, None)


def _gone() -> None:
    """Stand for a reference to what is no longer there."""


def sides_of(model: FittedModel) -> tuple[Held | None, ...]:
    """Return what holds the user and the item factors."""
    return tuple(model.__dict__.get(name) for name in SIDES)


def note_origin(model: FittedModel) -> None:
    """Take the factors that the model has now for made, not set by hand."""
    model._made = tuple(
        None if factors is None else weakref.ref(factors) for factors in sides_of(model)
    )


def note_set_by_hand(model: FittedModel, side: str | None = None) -> None:
    """Take the factors of a side, or of both, for set by hand: some rows were written."""
    if side is None:
        model._made = _BY_HAND
    elif model._made:
        model._made = tuple(
            _gone if name == side else made for name, made in zip(SIDES, model._made, strict=True)
        )


def all_assigned(model: Any) -> bool:
    """Return whether a caller has assigned both sides since the last fit, as far as that is known."""
    return bool(model._made) and len(set_by_hand(model)) == 2


def set_by_hand(model: FittedModel) -> list[str]:
    """Return which of "user_factors" and "item_factors" a caller has set, as far as that is known."""
    made, sides = model._made, SIDES
    if made is None:
        return []
    left = [None if kept is None else kept() for kept in made] if made else [None, None]
    return [
        side
        for side, now, then in zip(sides, sides_of(model), left, strict=True)
        if now is not None and now is not then
    ]


def without_references(model: FittedModel) -> tuple[Any, ...] | None:
    """Return what a copy of the model, whose factors are other objects, keeps as `_made`."""
    if all(factors is None for factors in sides_of(model)):
        return _NOTHING
    return _BY_HAND if set_by_hand(model) else None
