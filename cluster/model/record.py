"""The files of a fitted model: factors of each shard and side, and `model.json`, written last.

user-00003.npy has the factors of the users of shard 3, in the order of their numbers. Workers
write these files, each its own; then one process writes `model.json`, which names each of them with its
SHA-256 digest and shape, and has the settings, the course of the fit and the facts of the data. So a
folder without `model.json` has no model, however many files of one it has. A fit that replaces a model
calls `discard_model` before its workers write.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any

import numpy as np

from halfstep.distributed.facts import SIDES, Facts
from halfstep.distributed.model.factor_files import MODEL, REMEDY, FactorFile, read_factors
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.files import plain
from halfstep.types import Floats
from halfstep.version import __version__

FORMAT = "halfstep sharded model 1"
_RECORD = "model.json"


@dataclass(frozen=True)
class Record:
    """What `model.json` says.

    Attributes
    ----------
    facts
        Of the data that the model was fitted to.
    solver, settings
        The solver's name, and its constructor's arguments by name, `dtype` by its name.
    files
        Of each side, the files of the shards in their order.
    iterations
        How many the fit did.
    loss_history, seconds, relaxation
        As a solver's `loss_history_`, `seconds_` and `relaxation_`.
    """

    facts: Facts
    solver: str
    settings: dict[str, Any]
    files: dict[str, tuple[FactorFile, ...]]
    iterations: int
    loss_history: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    relaxation: tuple[float, ...] = ()

    @property
    def factors(self) -> int:
        """The number of factors f."""
        return self.files["user"][0].shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the factors."""
        return np.dtype(self.files["user"][0].dtype)

    def bytes_of(self, side: str) -> int:
        """Return how many bytes the factors of a side take."""
        return self.facts.rows(side) * self.factors * self.dtype.itemsize


def discard_model(folder: Folder) -> None:
    """Let `folder` have no model; the files of factors stay until others take their names."""
    if folder.child(MODEL).exists(_RECORD):
        folder.child(MODEL).remove(_RECORD)


def has_model(folder: Folder) -> bool:
    """Return whether the folder of a fit has a whole model."""
    return folder.child(MODEL).exists(_RECORD)


def read_side(folder: Folder, record: Record, side: str) -> Floats:
    """Return the factors of a whole side, (rows, f), read shard by shard into one array."""
    starts = record.facts.starts[side]
    whole = np.empty((record.facts.rows(side), record.factors), record.dtype)
    for file, start, stop in zip(record.files[side], starts, starts[1:], strict=False):
        read_factors(folder, file, whole[start:stop])
    return whole


def write_model(
    folder: Folder,
    facts: Facts,
    settings: Mapping[str, Any],
    files: Mapping[str, Sequence[FactorFile]],
    *,
    solver: str,
    iterations: int,
    loss_history: Sequence[float] = (),
    seconds: Sequence[float] = (),
    relaxation: Sequence[float] = (),
) -> Record:
    """Write `model.json` under `folder`, after all files of factors: it makes them a model.

    Parameters
    ----------
    settings
        The solver's constructor arguments; `init_factors` is not written, nor is a `random_state` that
        is not an int, since neither matters to a model.
    files
        Of each side, what `write_factors` returned, one a shard in the order of the shards.

    Raises
    ------
    InputError
        The files are not of the shards that `facts` states, or cannot be written.
    """
    kept = {name: value for name, value in settings.items() if name != "init_factors"}
    kept["dtype"] = np.dtype(kept.get("dtype", np.float32)).name
    if not isinstance(kept.get("random_state"), Integral):
        kept.pop("random_state", None)
    record = Record(
        facts,
        solver,
        plain(kept),
        {side: tuple(files[side]) for side in SIDES},
        iterations,
        tuple(map(float, loss_history)),
        tuple(map(float, seconds)),
        tuple(map(float, relaxation)),
    )
    if reason := _odd(record):
        raise InputError(f"the files of a model must fit the data: {reason}")
    write_record(folder, record)
    return record


def write_record(folder: Folder, record: Record) -> None:
    """Write `model.json` as `record` is."""
    content = {
        "format": FORMAT,
        "identity": record.facts.identity,
        "versions": {"halfstep": __version__, "numpy": np.__version__},
        **{name: value for name, value in asdict(record).items() if name != "files"},
        "files": {side: [file._asdict() for file in record.files[side]] for side in SIDES},
    }
    text = json.dumps(plain(content), indent=1, allow_nan=False) + "\n"
    with folder.child(MODEL).writing(_RECORD) as stream:
        stream.write(text.encode())


def read_model(folder: Folder) -> Record:
    """Read `model.json` under `folder`, and check it against the data if those are there.

    Raises
    ------
    InputError
        There is no model, it is of another format, damaged, or of other data than the folder's.
    """
    where = f"{folder.url}/{MODEL}/{_RECORD}"
    if not has_model(folder):
        raise InputError(
            f"{folder.url} has no model, since {MODEL}/{_RECORD} is missing: give the folder of a fit "
            "that has ended, or let it end with resume=True"
        )
    with folder.child(MODEL).reading(_RECORD) as stream:
        text = stream.read()
    try:
        content = json.loads(text)
        stated = content["format"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{where} is damaged: {REMEDY}") from None
    if stated != FORMAT:
        raise InputError(
            f"{where} must be a '{FORMAT}', got {stated!r}: read it with the version of halfstep that "
            f"wrote it, this is {__version__}"
        )
    try:
        record = _record(content)
        reason = _odd(record)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    if reason:
        raise InputError(f"{where} is damaged ({reason}): {REMEDY}")
    data = folder.child("data")
    if data.exists("facts.json") and Facts.read(data).identity != record.facts.identity:
        raise InputError(
            f"the model and the data in {folder.url} do not belong together, since the data were "
            "written after the fit: fit again, or load a copy of the model that its save wrote"
        )
    return record


def _record(content: dict[str, Any]) -> Record:
    files = {
        side: tuple(
            FactorFile(str(one["name"]), tuple(one["shape"]), str(one["dtype"]), str(one["digest"]))
            for one in content["files"][side]
        )
        for side in SIDES
    }
    numbers = {name: _floats(content[name]) for name in ("loss_history", "seconds", "relaxation")}
    return Record(
        Facts(**content["facts"]),
        str(content["solver"]),
        dict(content["settings"]),
        files,
        int(content["iterations"]),
        **numbers,
    )


def _floats(numbers: list[float | None]) -> tuple[float, ...]:
    # JSON has no NaN, and `plain` writes null for it.
    return tuple(math.nan if one is None else float(one) for one in numbers)


def _odd(record: Record) -> str | None:
    """Return how the files of a record differ from what its facts say, or None."""
    for side in SIDES:
        rows = np.diff(record.facts.starts[side]).tolist()
        shapes = [file.shape for file in record.files[side]]
        if shapes != [(count, record.factors) for count in rows]:
            return f"the {side} factors have shapes {shapes}, the shards {rows} rows"
        if any(np.dtype(file.dtype) != record.dtype for file in record.files[side]):
            return f"the {side} factors differ in dtype"
        if any("/" in file.name or file.name.startswith(".") for file in record.files[side]):
            return f"the {side} factors have names outside of their folder"
    if record.dtype not in (np.float32, np.float64):
        return f"factors of {record.dtype}"
    return None
