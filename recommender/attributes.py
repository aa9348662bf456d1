"""Attributes by field, encoded as the fit's were."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from scipy.sparse import csr_matrix

from halfstep.datasets.features.encoder import FeatureEncoder
from halfstep.errors import InputError

log = logging.getLogger("halfstep")


def encoded(model: Any, side: str, attributes: Mapping[str, Any]) -> csr_matrix:
    """Return one record of attributes as the row (1, p) that the model's fit would have had of it.

    Raises
    ------
    InputError
        The model was fitted without attributes of this side that were read by field; it knows none of
        these fields or values; or a value of a field of numbers is not a number.
    """
    if not isinstance(attributes, Mapping):
        raise InputError(f"attributes must map fields to values, got {attributes!r}")
    description = model.feature_encoders_.get(side)
    if description is None:
        raise InputError(
            f"attributes need a model that was fitted with {side}_features read from a file "
            f"(--{side}-features, or halfstep.datasets.features)"
        )
    encoder = FeatureEncoder.from_dict(description)
    fields = [one.name for one in encoder.known]
    if attributes and not set(map(str, attributes)) & set(fields):
        raise InputError(
            f"attributes must name fields of the fit ({', '.join(fields)}), got "
            f"{', '.join(map(str, attributes))}"
        )
    row = encoder.encode_records([attributes])
    if not any(encoder.unknown.values()) and row.nnz <= encoder.constant and not _says(attributes):
        raise InputError(f"attributes must have a value, got {dict(attributes)!r}")
    strange = [f"{name} ({count})" for name, count in encoder.unknown.items() if count]
    if strange and row.nnz <= encoder.constant:
        raise InputError(f"none of the attributes is known to the model: {', '.join(strange)}")
    if strange:
        log.warning("attributes that the fit did not see are left out: %s", ", ".join(strange))
    return row


def _says(attributes: Mapping[str, Any]) -> bool:
    """Return whether a record has a value that is not missing."""
    return any(
        value is not None and str(value).strip() not in ("", "[]") for value in attributes.values()
    )
