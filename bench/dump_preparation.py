"""Reading the Audioscrobbler dump with this package and with pandas: seconds and peak memory.

Run as `python -m halfstep.bench.dump_preparation FOLDER`; each of the two has a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

from halfstep.errors import InputError


def ours(folder: Path) -> tuple[int, int, int]:
    """Read the dump by `halfstep.datasets`; return its numbers of users, artists and summed rows."""
    from halfstep.datasets.audioscrobbler.read import read_audioscrobbler

    data = read_audioscrobbler(folder)
    return data.users, data.items, data.entries


def with_pandas(folder: Path) -> tuple[int, int, int]:
    """Read the dump by pandas, in the same steps; return the same three numbers.

    The steps are: read the plays, replace aliases, add up, number users and artists, read the names.
    """
    import pandas as pd
    from scipy.sparse import csr_matrix

    from halfstep.datasets.audioscrobbler.aliases import resolve

    plays = pd.read_csv(
        folder / "user_artist_data.txt",
        sep=" ",
        header=None,
        names=["user", "artist", "plays"],
        dtype="int32",
    )
    table = pd.read_csv(
        folder / "artist_alias.txt", sep="\t", header=None, names=["bad", "good"]
    ).dropna()
    ends = resolve(
        dict(
            zip(table["bad"].astype(int).tolist(), table["good"].astype(int).tolist(), strict=True)
        )
    )
    plays["artist"] = plays["artist"].map(ends).fillna(plays["artist"]).astype("int32")
    summed = plays.groupby(["user", "artist"], sort=True)["plays"].sum()
    users, user_ids = pd.factorize(summed.index.get_level_values(0), sort=True)
    artists, artist_ids = pd.factorize(summed.index.get_level_values(1), sort=True)
    matrix = csr_matrix((summed.to_numpy(), (users, artists)))
    names = pd.read_csv(
        folder / "artist_data.txt",
        sep="\t",
        header=None,
        names=["id", "name"],
        quoting=3,
        on_bad_lines="skip",
        encoding="cp1252",
        encoding_errors="replace",
        dtype=str,
    )
    names["id"] = pd.to_numeric(names["id"], errors="coerce")
    names.dropna().drop_duplicates("id").set_index("id")["name"].reindex(artist_ids)
    return len(user_ids), len(artist_ids), matrix.nnz


def main(arguments: list[str]) -> int:
    """Run both, each in a process of its own, and print a line for each."""
    if len(arguments) == 1:
        for name in ("ours", "pandas"):
            command = [sys.executable, "-m", "halfstep.bench.dump_preparation", *arguments, name]
            subprocess.run(command, check=True)
        return 0
    if len(arguments) != 2 or arguments[1] not in ("ours", "pandas"):
        raise InputError(f"give a dump's folder, got {' '.join(arguments) or 'nothing'}")
    start = time.perf_counter()
    run = ours if arguments[1] == "ours" else with_pandas
    users, artists, rows = run(Path(arguments[0]))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{arguments[1]}: {seconds:.1f} s, peak {peak:.2f} GB; "
        f"{users:,} users, {artists:,} artists, {rows:,} rows"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
