"""Write the dump's three files from generated plays, with the defects that the real files have.

The defects occur about as often as in the real files: misspelt artists, some of which one listener has
under both ids; aliases that lead to other aliases, to themselves or in circles, or lack the misspelt
id; names in two encodings, with meaningless quotes, with tabs, without an id or without a tab; three
"artists" that are not artists; two listeners that are programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.audioscrobbler.filters import PSEUDO_ARTISTS
from halfstep.datasets.generated.presets import generate_music
from halfstep.datasets.text.kernels import write_integers
from halfstep.files import make_folder, whole_file

PLAYS, NAMES, ALIASES = "user_artist_data.txt", "artist_data.txt", "artist_alias.txt"
MISSPELT_ROWS, TWICE_ROWS = 0.01, 0.007
_PSEUDO_NAMES = ("[unknown]", "Various Artists", "Various")
_BLOCK = 1 << 20


@dataclass
class _Plays:
    """Rows of the plays file: user and artist ids, and counts; (rows,) each."""

    users: NDArray[np.int64]
    artists: NDArray[np.int64]
    counts: NDArray[np.int64]


def generate_dump(
    folder: Path,
    entries: int,
    *,
    seed: int = 0,
    users: int | None = None,
    items: int | None = None,
    tail: float | None = None,
) -> dict[str, int]:
    """Write the three files into `folder`, creating it; the same arguments give the same bytes.

    Parameters
    ----------
    folder : Path
        Gets `user_artist_data.txt`, `artist_data.txt` and `artist_alias.txt`.
    entries : int
        Approximate number of rows of plays, at least 1,000.
    seed : int
        Seed of the random generator, at least 0.
    users, items, tail
        As in `halfstep.datasets.generate_music`.

    Returns
    -------
    dict
        The number of lines of each file, by file name.

    Raises
    ------
    InputError
        An argument is out of range, or a file cannot be written.

    See Also
    --------
    halfstep.datasets.read_audioscrobbler : Reads the files.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from halfstep.datasets import generate_dump
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lines = generate_dump(Path(folder), 5_000)
    >>> sorted(lines)
    ['artist_alias.txt', 'artist_data.txt', 'user_artist_data.txt']
    """
    music = generate_music(entries, users=users, items=items, tail=tail, seed=seed)
    rng = np.random.default_rng([seed, 1])
    matrix = music.interactions
    audience = np.bincount(matrix.indices, minlength=music.items)
    ids = _artist_ids(audience, rng)
    names = dict(zip(ids.tolist(), _names_of(music), strict=True))
    names.update(zip(PSEUDO_ARTISTS, _PSEUDO_NAMES, strict=True))
    misspelt = _misspellings(audience, ids, rng)
    for wrong, artist in zip(misspelt["wrong"].tolist(), misspelt["artist"].tolist(), strict=True):
        names[wrong] = _misspell(names[int(ids[artist])], rng)
    owner = np.repeat(np.arange(music.users), np.diff(matrix.indptr))
    plays = _Plays(
        np.asarray(music.user_ids, np.int64)[owner],
        ids[matrix.indices],
        matrix.data.astype(np.int64),
    )
    _misspell_rows(plays, np.asarray(matrix.indices), misspelt, rng)
    make_folder(folder, "folder")
    with whole_file(folder / PLAYS) as file:
        _write_plays(plays, file)
    name_lines = list(_name_lines(names, rng))
    alias_lines = list(_alias_lines(misspelt, ids, rng))
    for name, lines in ((NAMES, name_lines), (ALIASES, alias_lines)):
        with whole_file(folder / name) as file:
            file.write(b"".join(lines))
    return {PLAYS: len(plays.users), NAMES: len(name_lines), ALIASES: len(alias_lines)}


def _artist_ids(audience: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw ascending ids that avoid the pseudo-artists' (2 modulo 4), then make three artists pseudo."""
    ids = 2 + 4 * np.cumsum(rng.integers(1, 3, size=len(audience)))
    popular = np.argsort(-audience, kind="stable")
    ids[popular[[4, 9, 14]]] = PSEUDO_ARTISTS
    return ids


def _misspellings(
    audience: NDArray[np.int64], ids: NDArray[np.int64], rng: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Give one artist in 25 a misspelt id; popular artists are more likely to get one."""
    weight = (audience + 1.0) ** 0.7
    weight[np.isin(ids, PSEUDO_ARTISTS)] = 0
    count = max(12, len(ids) // 25)
    artist = np.sort(rng.choice(len(ids), count, replace=False, p=weight / weight.sum()))
    wrong = int(ids.max()) + 4 * np.cumsum(rng.integers(1, 3, size=count))
    return {"artist": artist, "wrong": wrong}


def _misspell_rows(
    plays: _Plays,
    columns: NDArray[Any],
    misspelt: dict[str, NDArray[np.int64]],
    rng: np.random.Generator,
) -> None:
    """Move some rows to the misspelt id, split others in two, make two users programs; sort `plays`."""
    table = np.full(int(columns.max()) + 1, -1, np.int64)
    known = misspelt["artist"] <= columns.max()
    table[misspelt["artist"][known]] = misspelt["wrong"][known]
    possible = np.flatnonzero(table[columns] >= 0)
    rng.shuffle(possible)
    moved = possible[: int(MISSPELT_ROWS * len(columns))]
    split = possible[len(moved) :][: int(TWICE_ROWS * len(columns))]
    split = split[plays.counts[split] > 1]
    part = rng.integers(1, plays.counts[split])
    plays.artists[moved] = table[columns[moved]]
    plays.counts[split] -= part
    plays.users = np.concatenate([plays.users, plays.users[split]])
    plays.artists = np.concatenate([plays.artists, table[columns[split]]])
    plays.counts = np.concatenate([plays.counts, part])
    programs = rng.choice(np.unique(plays.users), 2, replace=False)
    plays.counts[np.isin(plays.users, programs)] *= 1000
    order = np.argsort((plays.users << 32) + plays.artists, kind="stable")
    plays.users, plays.artists = plays.users[order], plays.artists[order]
    plays.counts = plays.counts[order]


def _write_plays(plays: _Plays, file: IO[bytes]) -> None:
    text = np.empty(_BLOCK * 60, np.uint8)
    for start in range(0, len(plays.users), _BLOCK):
        block = slice(start, start + _BLOCK)
        values = np.stack([plays.users[block], plays.artists[block], plays.counts[block]])
        file.write(text[: write_integers(values, ord(" "), text)].data)


def _name_lines(names: dict[int, str], rng: np.random.Generator) -> Iterator[bytes]:
    """Yield the lines of the names file in random order, with their defects."""
    ids = np.array(list(names))
    rng.shuffle(ids)
    odd = rng.random(len(ids))
    for identifier, chance in zip(ids.tolist(), odd.tolist(), strict=True):
        name = names[identifier]
        if chance < 0.002:
            name = '"' + name
        elif chance < 0.003:
            name = name + '" "live'
        elif chance < 0.004:
            name = name.replace(" ", "\t", 1)
        line = f"{identifier}\t{name}\n"
        yield line.encode("cp1252" if 0.004 < chance < 0.02 else "utf-8", "replace")
        if chance > 0.9997:
            yield f"{name} and friends\n".encode()  # neither id nor tab
        elif chance > 0.9996:
            yield f"\t{name}\n".encode()  # no id
        elif chance > 0.9995:
            yield b"\n"
    yield b"no id at all\n\tno id before the tab\n\n12 a blank where the tab should be\n"


def _alias_lines(
    misspelt: dict[str, NDArray[np.int64]], ids: NDArray[np.int64], rng: np.random.Generator
) -> Iterator[bytes]:
    """Yield the lines of the aliases file, most of which are `misspelt TAB good`."""
    wrong = misspelt["wrong"].tolist()
    good = ids[misspelt["artist"]].tolist()
    chained = max(2, len(wrong) // 200)
    for place in range(chained):  # a misspelt id whose good one is misspelt too
        good[place] = wrong[place + chained]
    circle = wrong[-3:]
    good[-3:] = [circle[1], circle[2], circle[0]]
    good[-5:-3] = [wrong[-4], wrong[-5]]
    good[-6] = wrong[-6]
    for bad, right, chance in zip(wrong, good, rng.random(len(wrong)).tolist(), strict=True):
        yield b"%d\t%d\n" % (bad, right)
        if chance < 0.003:
            yield b"\t%d\n" % right
        elif chance < 0.05:  # never occurs in the plays
            yield b"%d\t%d\n" % (bad + 1, right)
    yield b"\t%d\n%d\n" % (good[0], wrong[0])


def _names_of(music: Any) -> list[str]:
    """Return the generated names, one in nine with a letter that the two encodings write differently."""
    return [
        name.replace("o", "ö", 1) if place % 9 == 0 else name
        for place, name in enumerate(music.item_names.tolist())
    ]


def _misspell(name: str, rng: np.random.Generator) -> str:
    place = int(rng.integers(1, len(name)))
    return (
        name[:place] + name[place + 1 :],
        name.casefold(),
        f"The {name}",
        name[: place - 1] + name[place : place + 1] + name[place - 1] + name[place + 1 :],
    )[int(rng.integers(4))]
