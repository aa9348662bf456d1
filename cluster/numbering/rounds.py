"""The four rounds, one after the other, and what each of them tells the next."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from halfstep.distributed.facts import OTHER, SIDES
from halfstep.distributed.hubs import hub_limit
from halfstep.distributed.numbering.cutting import cut
from halfstep.distributed.numbering.encoding import encode
from halfstep.distributed.numbering.entries import write_shard
from halfstep.distributed.numbering.hub_files import pieces_tasks, put_back, write_piece
from halfstep.distributed.numbering.ids import Side, number_shard
from halfstep.distributed.numbering.pieces import pieces_of
from halfstep.distributed.numbering.table import Table
from halfstep.distributed.storage import Folder
from halfstep.distributed.tasks import over_shards, places, results_of
from halfstep.errors import InputError
from halfstep.kernels.cpu.high_degree import PIECES
from halfstep.progress import count_bar
from halfstep.solvers.gramian import ROWS

Counts = dict[str, dict[int, list[int]]]  # of a side's hubs, the entries in each shard of the other


class Rounds:
    """Runs the rounds over the workers of a client, or in this process if that is None."""

    def __init__(
        self, client: Any, table: Table, folder: Folder, shards: int, show_progress: bool
    ) -> None:
        self.client, self.table, self.folder, self.shards = client, table, folder, shards
        # Of this run alone: a task of one that failed or was stopped may still write its own.
        self.work = folder.child(f"work-{uuid.uuid4().hex[:12]}")
        self.show = show_progress
        self.both = list(itertools.product(SIDES, range(shards)))

    def run(self, hub_entries: int | None) -> dict[str, Any]:
        """Write ids, blocks and hubs; return what `Facts` has of them."""
        for name in self.folder.names("work"):
            self.folder.remove(name)
        try:
            return self._run(hub_entries)
        finally:
            self.work.remove("")

    def _run(self, hub_entries: int | None) -> dict[str, Any]:
        rows = self._encode()
        pieces, total = range(len(rows)), sum(rows)
        if not total:
            raise InputError("the table must have rows, got none")
        sides = self._number(len(rows))
        if any(sides[side].entries != total for side in SIDES):
            raise RuntimeError(f"{total} rows, {[sides[side].entries for side in SIDES]} of ids")
        for name in ("facts.json", "ids", "blocks", "hubs"):
            self.folder.remove(name)
        limit = hub_limit(total, self.shards) if hub_entries is None else hub_entries
        hubs = {s: sorted(row for row, count in sides[s].heavy if count > limit) for s in SIDES}
        hashed = {side: sides[side].starts for side in SIDES}
        starts = {side: aligned(hashed[side]) for side in SIDES}
        cuts = [(self.work, piece, hashed, starts, hubs) for piece in pieces]
        self._round(cut, cuts, "entries cut", "pieces")
        kinds = self.table.id_types
        tasks = [
            (self.folder, self.work, s, k, hashed[s], starts, hubs, kinds[s], len(rows))
            for s, k in self.both
        ]
        made = self._round(write_shard, tasks, "blocks written")
        return self._finish(dict(zip(self.both, made, strict=True)), starts, hubs, hub_entries)

    def _round(
        self,
        function: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        what: str,
        unit: str = "shards",
    ) -> list[Any]:
        return over_shards(
            self.client, function, tasks, what, unit=unit, show_progress=self.show and bool(tasks)
        )

    def _encode(self) -> list[int]:
        table = self.table
        how = table.columns, table.id_types, self.work, self.shards
        if table.frame is None:
            pieces = enumerate(pieces_of(table, *places(self.client)))
            return self._round(
                encode, [(piece, p, *how) for p, piece in pieces], "table read", "pieces"
            )
        import dask

        call = dask.delayed(encode, pure=False)
        calls = [call(part, p, *how) for p, part in enumerate(table.frame.to_delayed())]
        if self.client is None:
            return list(dask.compute(*calls, scheduler="synchronous"))
        with count_bar("table read", len(calls), "pieces", show=self.show) as advance:
            return results_of(self.client, self.client.compute(calls), advance)

    def _number(self, pieces: int) -> dict[str, Side]:
        kinds = self.table.id_types
        tasks = [(self.work, side, k, kinds[side], pieces) for side, k in self.both]
        found = iter(self._round(number_shard, tasks, "ids numbered"))
        return {side: Side.of(list(itertools.islice(found, self.shards))) for side in SIDES}

    def _finish(
        self,
        found: dict[tuple[str, int], dict[str, Any]],
        starts: dict[str, list[int]],
        hubs: dict[str, list[int]],
        hub_entries: int | None,
    ) -> dict[str, Any]:
        """Write the hubs' pieces, now that it is known how many entries they have."""
        counts: Counts = {
            side: {
                row: [found[OTHER[side], k]["hubs"][row] for k in range(self.shards)]
                for row in hubs[side]
            }
            for side in SIDES
        }
        entries = {
            side: sum(found[side, k]["entries"] for k in range(self.shards))
            + sum(map(sum, counts[side].values()))
            for side in SIDES
        }
        if entries["user"] != entries["item"]:
            raise RuntimeError(f"{entries['user']} entries by user, {entries['item']} by item")
        # Rows of the table that were summed up are one entry, as in a matrix.
        limit = hub_limit(entries["user"], self.shards) if hub_entries is None else hub_entries
        self._put_back(found, counts, starts, limit)
        tasks = [
            task
            for side in SIDES
            for row, parts in counts[side].items()
            for task in pieces_tasks(self.folder, self.work, side, row, parts)
        ]
        written = self._round(write_piece, tasks, "hubs written", "pieces")
        digests = [digest for digest, _ in written] + [found[key]["digest"] for key in self.both]
        middles = iter(middle for _, middle in written)
        return {
            "identity": hashlib.sha256("".join(digests).encode()).hexdigest(),
            "starts": starts,
            "entries": entries["user"],
            "hubs": {s: [[row, sum(parts)] for row, parts in counts[s].items()] for s in SIDES},
            "middles": {
                side: [list(itertools.islice(middles, PIECES)) for _ in counts[side]]
                for side in SIDES
            },
        }

    def _put_back(
        self,
        found: dict[tuple[str, int], dict[str, Any]],
        counts: Counts,
        starts: dict[str, list[int]],
        limit: int,
    ) -> None:
        """Give rows that have no more than `limit` entries back to their blocks."""
        tasks = []
        for side, k in self.both:
            first, stop = starts[side][k : k + 2]
            rows = {
                row: parts
                for row, parts in counts[side].items()
                if first <= row < stop and sum(parts) <= limit
            }
            if rows:
                tasks.append((self.folder, self.work, side, k, first, rows))
        mended = self._round(put_back, tasks, "blocks mended")
        for (*_, side, k, _, rows), (digest, entries) in zip(tasks, mended, strict=True):
            found[side, k] |= {"digest": digest, "entries": entries}
            for row in rows:
                del counts[side][row]


def aligned(starts: list[int]) -> list[int]:
    """Return where shards begin: near where the hash shards do, at whole blocks of the Gramian."""
    rows, shards = starts[-1], len(starts) - 1
    if rows < 2 * ROWS * shards:
        return starts
    inner = np.round(np.array(starts[1:-1]) / ROWS).astype(np.int64) * ROWS
    return [0, *inner.tolist(), rows]
