"""Checkpoints: the state of a fit in one file, from which a fit that was killed resumes.

The state of ALS is both factor matrices after a whole iteration. So a fit that resumes takes the same
half-steps on the same numbers as one that never stopped, and ends with the same bits.

The file holds a line that names the format, the header's length (8 bytes, little-endian), the header
(JSON), the user factors and the item factors (C order, little-endian), and the SHA-256 of all of this,
without which it is not accepted. It is written under another name, and renamed when it is whole and on
the disk (`halfstep.files`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

import numpy as np
from scipy import sparse

from halfstep.errors import InputError
from halfstep.files import check_writable, plain, remove_leftovers, whole_file
from halfstep.solvers.fit.refit import goes_on
from halfstep.solvers.inputs import on_host
from halfstep.solvers.model import FittedModel
from halfstep.types import Floats

log = logging.getLogger("halfstep")

_MAGIC = b"halfstep checkpoint 1\n"
_DIGEST = hashlib.sha256().digest_size
_CHUNK = 1 << 20
# These may differ between the fit that stopped and the one that resumes from it.
_FREE = (
    "iterations", "num_threads", "calculate_training_loss", "random_state", "init_factors",
    "warm_start",
)  # fmt: skip
_START = "starting factors (init_factors, or with warm_start the model's)"


class State(NamedTuple):
    """A fit after `done` whole iterations, of which a warm start found the first `begun` done.

    `omegas` and `gains` are what the next over-relaxation factor follows from: see
    `fit.over_relaxation`. `features` has W by side in a fit with attributes.
    """

    done: int
    user_factors: Floats
    item_factors: Floats
    losses: list[float]
    seconds: list[float]
    begun: int = 0
    omegas: Sequence[float] = ()
    gains: Sequence[float | None] = ()
    features: Mapping[str, Floats] = MappingProxyType({})


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often a fit writes its state, and which fit it is.

    Attributes
    ----------
    path, every
        The file, written after every `every` iterations, after the last one, and on Ctrl-C.
    identity
        Solver, settings and a hash of the data. A fit resumes only from a checkpoint with its identity.
    shapes
        (users, f) and (items, f).
    """

    path: Path | None
    every: int
    identity: dict[str, Any]
    shapes: tuple[tuple[int, int], tuple[int, int]]

    def due(self, done: int) -> bool:
        """Return whether to write the state after `done` iterations."""
        return self.path is not None and done % self.every == 0

    def write(self, state: State) -> None:
        """Replace the checkpoint by `state`, completely or not at all."""
        if self.path is None:
            return
        header = {
            "identity": self.identity,
            "done": state.done,
            "begun": state.begun,
            "omegas": list(state.omegas),
            "gains": list(state.gains),
            "losses": state.losses,
            "seconds": state.seconds,
            "features": {side: W.shape for side, W in state.features.items()},
        }
        text = json.dumps(header).encode()
        digest = hashlib.sha256()
        with whole_file(self.path) as file:
            for part in (
                _MAGIC,
                len(text).to_bytes(8, "little"),
                text,
                _bytes_of(state.user_factors),
                _bytes_of(state.item_factors),
                *map(_bytes_of, state.features.values()),
            ):
                digest.update(part)
                file.write(part)
            file.write(digest.digest())

    def read(self, path: Path) -> State:
        """Read the state at `path`.

        Raises
        ------
        InputError
            No checkpoint, a damaged one, or one of another fit. The message says what differs.
        """
        try:
            with path.open("rb") as file:
                _check_digest(file, path)
                file.seek(len(_MAGIC))
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
                self._check_identity(path, header["identity"])
                done, losses, seconds = (header[k] for k in ("done", "losses", "seconds"))
                begun = header.get("begun", 0)
                omegas, gains = (list(header.get(k, [])) for k in ("omegas", "gains"))
                kind, attributes = self.identity["dtype"], header.get("features", {})
                X, Y = (_read_array(file, shape, kind) for shape in self.shapes)
                features = {
                    side: _read_array(file, tuple(shape), kind)
                    for side, shape in attributes.items()
                }
                if len(file.read()) != _DIGEST or not all(
                    isinstance(count, int) for count in (done, begun)
                ):
                    raise ValueError
        except FileNotFoundError:
            raise InputError(f"checkpoint '{path}' does not exist") from None
        except OSError as error:
            raise InputError(f"checkpoint '{path}' cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"checkpoint '{path}' is not as this version writes them") from None
        return State(done, X, Y, list(losses), list(seconds), begun, omegas, gains, features)

    def _check_identity(self, path: Path, found: dict[str, Any]) -> None:
        for name in dict.fromkeys(("solver", "shape", "data", *self.identity, *found)):
            there, here = found.get(name), self.identity.get(name)
            if there == here or (name == "random_state" and None in (there, here)):
                continue
            what = {"data": "user_items", "start": _START}.get(name)
            what = name if name.endswith("_features") else what
            if what is not None:
                raise InputError(f"checkpoint '{path}' is of another fit: its {what} differ")
            raise InputError(
                f"checkpoint '{path}' is of another fit: {name} {there!r} there, {here!r} here"
            )


def checkpoints(
    model: FittedModel,
    matrix: sparse.csr_matrix,
    checkpoint: str | PathLike[str] | None,
    every: int,
    resume: bool | str | PathLike[str],
    given: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Checkpoints | None, State | None]:
    """Return what writes checkpoints and the state to resume from, by the arguments of `Solver.fit`.

    `given` has the attributes of the fit, by side.
    """
    if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
        raise InputError(f"checkpoint_every must be an integer of at least 1, got {every!r}")
    if checkpoint is None and every != 1:
        raise InputError(f"checkpoint_every has no meaning without checkpoint, got {every}")
    if checkpoint is None and resume is True:
        raise InputError("resume=True needs checkpoint, the file to go on from, got None")
    if checkpoint is None and resume is False:
        return None, None
    path = None if checkpoint is None else Path(checkpoint)
    source = path if isinstance(resume, bool) else Path(resume)
    keeper = Checkpoints(path, int(every), _identity(model, matrix, given), _shapes(model, matrix))
    if path is not None:
        check_writable(path, "checkpoint")
        remove_leftovers(path)
        _refuse_other_files(path)
    if resume is False or source is None:
        return keeper, None
    if resume is True and not source.exists():
        log.info("no checkpoint '%s' yet: starting from the beginning", source)
        return keeper, None
    state = keeper.read(source)
    log.info("going on from checkpoint '%s' after %d iterations", source, state.done)
    return keeper, state


def _identity(
    model: FittedModel, matrix: sparse.csr_matrix, given: Mapping[str, Any]
) -> dict[str, Any]:
    settings = {k: v for k, v in model._settings().items() if k not in _FREE}
    settings["dtype"] = np.dtype(settings["dtype"]).name
    seed = model.random_state
    start = _sides(model) if goes_on(model) else model.init_factors
    identity = {
        "solver": model.solver_,
        "shape": list(matrix.shape),
        "data": _hash(matrix.indptr, matrix.indices, matrix.data),
        **settings,
        "random_state": int(seed) if isinstance(seed, int | np.integer) else None,
        "start": None if start is None else _hash(*start),
    }
    for side, features in given.items():
        F = features.matrix
        identity[f"{side}_features"] = _hash(F.shape, F.indptr, F.indices, F.data)
    return json.loads(json.dumps(plain(identity)))  # type: ignore[no-any-return]


def _sides(model: FittedModel) -> list[Any]:
    return [side for side in (model.user_factors, model.item_factors) if side is not None]


def _shapes(
    model: FittedModel, matrix: sparse.csr_matrix
) -> tuple[tuple[int, int], tuple[int, int]]:
    users, items = matrix.shape
    return (users, model.factors), (items, model.factors)


def _hash(*arrays: Any) -> str:
    """Return the SHA-256 of the arrays' values; it is the same for 32- and 64-bit dtypes."""
    digest = hashlib.sha256()
    for array in arrays:
        flat = np.asarray(on_host(array)).reshape(-1)
        kind = "<i8" if flat.dtype.kind in "biu" else "<f8"
        for start in range(0, len(flat), _CHUNK):
            digest.update(flat[start : start + _CHUNK].astype(kind).tobytes())
    return digest.hexdigest()


def _refuse_other_files(path: Path) -> None:
    """Raise InputError if `path` is a file but not a checkpoint, since it would be overwritten."""
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise InputError(
                    f"checkpoint '{path}' exists and is no checkpoint: it is not overwritten"
                )


def _bytes_of(factors: Any) -> Any:
    host = factors.get() if hasattr(factors, "get") else factors  # a device's array
    little = np.ascontiguousarray(host, host.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8)


def _check_digest(file: IO[bytes], path: Path) -> None:
    if file.read(len(_MAGIC)) != _MAGIC:
        raise InputError(f"'{path}' is not a halfstep checkpoint")
    file.seek(0, 2)
    left = file.tell() - _DIGEST
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0:
        chunk = file.read(min(left, _CHUNK))
        digest.update(chunk)
        left -= len(chunk)
    if file.read(_DIGEST) != digest.digest():
        raise InputError(f"checkpoint '{path}' is damaged or cut short: its checksum is wrong")


def _read_array(file: IO[bytes], shape: tuple[int, int], dtype: str) -> Floats:
    count = shape[0] * shape[1]
    content = file.read(count * np.dtype(dtype).itemsize)
    little = np.frombuffer(content, np.dtype(dtype).newbyteorder("<"))
    return np.array(little.reshape(shape), dtype)
