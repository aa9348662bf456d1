"""`halfstep data`: list, read, convert, generate, download, clean and describe data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from halfstep import defaults as d
from halfstep.cli import options as o
from halfstep.cli.tables import read, takes_tables
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError
from halfstep.files import check_writable, make_folder
from halfstep.progress import bytes_bar, stage
from halfstep.screen import Screen

app = typer.Typer(
    help="List, read, convert, generate, clean and describe data sets.", no_args_is_help=True
)
console = Screen()

Dump = Annotated[
    str,
    typer.Argument(metavar="audioscrobbler", help="Kind of dump; there is only audioscrobbler."),
]
Source = Annotated[str, typer.Argument(help="A preset, a file, a folder, or FORMAT:PATH.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="The .npz file to write.")]
Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")]


@app.command("list")
def list_presets() -> None:
    """List the generated presets and the file formats."""
    from halfstep.cli import show

    show.presets(console)


@app.command()
@takes_tables
def info(source: Source, json: o.Json = None, table: TableOptions = AS_FOUND) -> None:
    """Read a data set and show its contents and its malformed lines."""
    from halfstep.cli import show

    check_writable(json, "--json", source)
    data = read(console, source, table)
    show.dataset(console, data)
    o.write(json, show.summary(data))


@app.command()
@takes_tables
def convert(source: Source, output: Output, table: TableOptions = AS_FOUND) -> None:
    """Read a data set, or generate a preset, and write it to one .npz file."""
    check_writable(output, "--output")
    loaded = read(console, source, table)
    with stage(f"writing {output}"):
        loaded.save(output)
    console.print(f"wrote {output}: {loaded!r}", highlight=False, soft_wrap=True)


@app.command()
def prepare(
    dump: Dump,
    source: Annotated[
        Path,
        typer.Argument(help="Folder, .tar.gz archive, or the plays file; each file may be .gz."),
    ],
    output: Output,
    aliases: Annotated[
        str,
        typer.Option(
            help="Replace misspelt artists: resolved follows the alias table to its end, once takes one "
            "step, none replaces nothing."
        ),
    ] = "resolved",
    drop_pseudo_artists: Annotated[
        bool,
        typer.Option(
            "--drop-pseudo-artists",
            help="Leave out three entries that are no artists: Various Artists etc.",
        ),
    ] = False,
    min_audience: Annotated[int, typer.Option(help="Leave out artists with fewer users.")] = 1,
    min_artists: Annotated[int, typer.Option(help="Leave out users with fewer artists.")] = 1,
    outlier_percentile: Annotated[
        float | None,
        typer.Option(help="Leave out users with more plays than this percentile of all users."),
    ] = None,
    bad_rows: Annotated[
        Path | None, typer.Option(help="Write every bad row to this file, tab-separated.")
    ] = None,
    json: o.Json = None,
) -> None:
    """Clean a dump of play counts and write it to one .npz file.

    Bad rows are left out, misspelt artists replaced, and filters applied.
    """
    from halfstep.cli.show_data import preparation
    from halfstep.datasets.audioscrobbler.files import find_dump
    from halfstep.datasets.audioscrobbler.filters import Filters
    from halfstep.datasets.audioscrobbler.read import read_audioscrobbler
    from halfstep.datasets.text.bad_lines import BadLine, write_listing

    _check_kind(dump)
    check_writable(output, "--output", source)
    check_writable(bad_rows, "--bad-rows", source, output)
    check_writable(json, "--json", source, output, bad_rows)
    if output.suffix != ".npz":
        raise InputError(f"--output must end in .npz, got '{output}'")
    filters = Filters(
        pseudo_artists=drop_pseudo_artists,
        outlier_percentile=outlier_percentile,
        min_audience=min_audience,
        min_artists=min_artists,
    )
    listing: list[BadLine] | None = None if bad_rows is None else []
    total = sum(file.stat().st_size for file in find_dump(source))
    with bytes_bar(f"reading {source.name}", total) as advance:
        data = read_audioscrobbler(
            source, aliases=o.one_of("--aliases", aliases, ("resolved", "once", "none")),
            filters=filters, listing=listing, advance=advance,
        )  # fmt: skip
    with stage(f"writing {output}"):
        data.save(output)
    preparation(console, data)
    console.print(f"wrote {output}: {data!r}", highlight=False, soft_wrap=True)
    if bad_rows is not None and listing is not None:
        write_listing(bad_rows, listing)
        console.print(
            f"wrote {bad_rows}: {len(listing):,} bad rows", highlight=False, soft_wrap=True
        )
    o.write(json, data.provenance)


@app.command()
def download(
    dump: Dump,
    output: Folder = Path(),
    accept_license: Annotated[
        bool, typer.Option("--accept-license", help="Confirm that you accept the dump's licence.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(help="Address of profiledata_06-May-2005.tar.gz, if the archive has moved."),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(help="SHA-256 that the archive must have; any other file is deleted."),
    ] = None,
) -> None:
    """Download a dump; run it again to continue a broken download.

    Without --accept-license, it only prints the licence.
    """
    from halfstep.datasets.audioscrobbler.download import ADDRESS, ARCHIVE, LICENCE, fetch
    from halfstep.datasets.audioscrobbler.files import open_parts

    _check_kind(dump)
    target = output / ARCHIVE
    check_writable(target, "--output")
    console.print(LICENCE, highlight=False)
    if not accept_license:
        raise InputError("the licence must be accepted first: --accept-license")
    if target.exists():
        console.print(f"{target} exists already", highlight=False)
        return
    with bytes_bar(ARCHIVE, None) as advance:
        digest = fetch(url or ADDRESS, target, sha256=sha256, advance=advance)
    with stage(f"unpacking {ARCHIVE}"):  # all of it, which verifies the checksum
        roles = [part.role for part in open_parts([target])]
    console.print(
        f"wrote {target}: {', '.join(roles)}; SHA-256 {digest}"
        + ("" if sha256 else ", not compared: give --sha256 to compare it"),
        highlight=False, soft_wrap=True,
    )  # fmt: skip


@app.command()
def generate(
    dump: Dump,
    output: Folder,
    entries: Annotated[int, typer.Option(help="Approximate number of rows of plays.")] = 100_000,
    users: Annotated[
        int | None, typer.Option(help="Number of users; grows with --entries if not given.")
    ] = None,
    artists: Annotated[
        int | None, typer.Option(help="Number of artists; grows with --entries if not given.")
    ] = None,
    tail: Annotated[
        float | None,
        typer.Option(
            help="Exponent of a heavy tail of plays, 1 to 3 (1.2: Audioscrobbler's); no heavy tail if "
            "not given."
        ),
    ] = None,
    seed: o.Seed = d.SEED,
) -> None:
    """Generate a dump: its three files, with all defects of the real ones."""
    from halfstep.datasets.generated.dump import generate_dump

    _check_kind(dump)
    make_folder(output, "--output")
    with stage(f"generating {entries:,} rows"):
        lines = generate_dump(output, entries, seed=seed, users=users, items=artists, tail=tail)
    for name, count in lines.items():
        console.print(f"wrote {output / name}: {count:,} lines", highlight=False, soft_wrap=True)


@app.command()
@takes_tables
def describe(
    source: Annotated[
        str,
        typer.Argument(help="A prepared .npz, or any preset, file or folder with values from 0."),
    ],
    output: Folder,
    top: Annotated[int, typer.Option(help="Number of rows of each table.")] = 10,
    table: TableOptions = AS_FOUND,
) -> None:
    """Describe counts, ratings or the like in an HTML page, SVG plots and a JSON file."""
    from halfstep.datasets.description.page import page
    from halfstep.datasets.description.plots import draw_plots
    from halfstep.datasets.description.summary import describe as examine
    from halfstep.files import whole_file
    from halfstep.pictures import require_matplotlib

    require_matplotlib()
    make_folder(output, "--output")
    data = read(console, source, table)
    with stage(f"describing {data.name}"):
        described = examine(data, top)
        plots = draw_plots(described)
    contents = {**plots, "description.html": page(described, plots).encode()}
    for name, content in contents.items():
        with whole_file(output / name) as file:
            file.write(content)
    o.write(output / "description.json", described)
    console.print(
        f"wrote {output / 'description.html'}, description.json and {len(plots)} plots",
        highlight=False,
        soft_wrap=True,
    )


def _check_kind(dump: str) -> None:
    if dump != "audioscrobbler":
        raise InputError(f"the kind of dump must be audioscrobbler, got {dump!r}")
