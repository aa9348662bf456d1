"""Checkpoints of a fit over workers: a file for each shard and half-step, and a manifest of them.

The workers write the files. When all have, the manifest is replaced, and then files that neither it nor
a recovery needs are removed. A file's name has its digest, so a stale one is never taken for another.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from halfstep.distributed.fitting.factor_files import step_of
from halfstep.distributed.fitting.orders import Solved
from halfstep.errors import InputError

log = logging.getLogger("halfstep")

FORMAT = "halfstep manifest 1"
NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """A fit after whole iterations.

    Attributes
    ----------
    step
        The half-step to take next, even.
    identity
        Solver, settings and data. A fit goes on only from a manifest with its identity.
    users, items
        The names of the shards' files.
    omegas, gains, losses, seconds
        Of each iteration, as in `halfstep.solvers.fit.checkpoint.State`.
    """

    step: int
    identity: dict[str, Any]
    users: list[str]
    items: list[str]
    omegas: list[float]
    gains: list[float | None]
    losses: list[float]
    seconds: list[float]

    def files(self) -> dict[tuple[str, int], tuple[str, int]]:
        """Return the name and the half-step of each shard's file, by side and shard."""
        names = {"user": self.users, "item": self.items}
        return {
            (s, k): (n, step_of(n)) for s, listed in names.items() for k, n in enumerate(listed)
        }


class Keeper:
    """Notes which files there are, writes the manifest, and removes what is not needed any more.

    Parameters
    ----------
    folder
        The `Folder` of the checkpoints.
    every
        Iterations between two checkpoints; 0 for none.
    identity
        That of the fit.
    """

    def __init__(self, folder: Any, every: int, identity: dict[str, Any]) -> None:
        self.folder, self.every, self.identity = folder, every, identity
        self.last: Manifest | None = None
        self._names: dict[tuple[str, int, int], str] = {}

    def due(self, step: int, iterations: int) -> bool:
        """Return whether half-step `step` is written, in a fit of so many iterations."""
        done = step // 2 + 1
        return bool(self.every) and (done % self.every == 0 or done == iterations)

    def begin(self, names: Mapping[tuple[str, int, int], str]) -> None:
        """Note the files of before the first half-step, by side, shard and half-step (-2 or -1)."""
        self._names = dict(names)

    def note(self, side: str, step: int, parts: Sequence[Solved]) -> None:
        """Note the files that a half-step wrote."""
        for k, part in enumerate(parts):
            if part.unwritten is not None:
                log.warning("no checkpoint of half-step %d: %s", step, part.unwritten)
            if part.file is not None:
                self._names[side, k, step] = part.file

    def files_of(
        self, keys: Iterable[tuple[str, int]], steps: Mapping[str, int]
    ) -> dict[tuple[str, int], tuple[str, int]] | None:
        """Return the files of shards after these half-steps, or None if one is missing."""
        wanted = {(s, k): (self._names.get((s, k, steps[s])), steps[s]) for s, k in keys}
        if any(name is None for name, _ in wanted.values()):
            return None
        return {key: (str(name), step) for key, (name, step) in wanted.items()}

    def write(
        self,
        shards: int,
        step: int,
        pace: tuple[list[float], list[float | None]],
        losses: list[float],
        seconds: list[float],
    ) -> bool:
        """Replace the manifest by one of before half-step `step`, if its files are there."""
        self._remove(step)
        users = [self._names.get(("user", k, step - 2)) for k in range(shards)]
        items = [self._names.get(("item", k, step - 1)) for k in range(shards)]
        if None in users or None in items:
            return False
        named = list(map(str, users)), list(map(str, items))
        omegas, gains = list(pace[0]), list(pace[1])
        manifest = Manifest(step, self.identity, *named, omegas, gains, list(losses), list(seconds))
        text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
        try:
            with self.folder.writing(NAME) as file:
                file.write(text.encode())
        except (OSError, InputError) as error:
            log.warning("no manifest after %d iterations: %s", step // 2, error)
            return False
        self.last = manifest
        self._remove(step)
        return True

    def _remove(self, step: int) -> None:
        """Remove files that neither the last manifest nor a recovery before half-step `step` needs."""
        kept = set() if self.last is None else {*self.last.users, *self.last.items}
        for key, name in list(self._names.items()):
            if key[2] < step - 2 and name not in kept:
                del self._names[key]
                self._try_to_remove(name)

    def clear(self) -> None:
        """Remove the files of fits that left no manifest, or another's than `last`."""
        kept = set() if self.last is None else {*self.last.users, *self.last.items, NAME}
        for name in self.folder.names(""):
            if name not in kept:
                self._try_to_remove(name)

    def _try_to_remove(self, name: str) -> None:
        try:
            self.folder.remove(name)
        except (OSError, InputError) as error:
            log.debug("%s is still there: %s", name, error)

    def read(self) -> Manifest | None:
        """Return the manifest in the folder, or None without one.

        Raises
        ------
        InputError
            It is damaged, or of another fit; the message says what differs.
        """
        where = f"{self.folder.url}/{NAME}"
        if not self.folder.exists(NAME):
            return None
        try:
            with self.folder.reading(NAME) as file:
                found = json.loads(file.read())
            if found.pop("format") != FORMAT:
                raise ValueError
            manifest = Manifest(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                f"{where} is damaged or of another version: fit with resume=False"
            ) from None
        for name in dict.fromkeys([*self.identity, *manifest.identity]):
            there, here = manifest.identity.get(name), self.identity.get(name)
            if there != here:
                if name == "data":
                    raise InputError(
                        f"{where} is of other data: these have been made anew since, from another table "
                        "or in other shards; make them as they were, or fit with resume=False"
                    )
                raise InputError(
                    f"{where} is of another fit: {name} {there!r} there, {here!r} here; give its "
                    "settings, or fit with resume=False"
                )
        self._names = {(s, k, step): name for (s, k), (name, step) in manifest.files().items()}
        self.last = manifest
        return manifest

    def where(self) -> str:
        """Return from where a fit would go on, for messages."""
        if self.last is None:
            return "(there is no manifest yet: it will begin anew)"
        return f"after iteration {self.last.step // 2} ({self.folder.url}/{NAME})"
