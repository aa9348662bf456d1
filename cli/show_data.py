"""Print what `halfstep data prepare` did to a dump, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rich.console import Console
from rich.markup import escape

from halfstep.cli.show import table

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset


def preparation(console: Console, data: Dataset) -> None:
    """Print the sizes before and after, the steps with their counts, and what filters left out."""
    provenance = cast("dict[str, Any]", data.provenance)
    raw, steps = provenance["raw"], provenance["preparation"]
    sizes = table("Before and after", "what", "as read", "prepared", right=("as read", "prepared"))
    plays = int(data.interactions.data.sum(dtype="float64"))
    now = {"users": data.users, "artists": data.items, "rows": data.entries, "plays": plays}
    for what, after in now.items():
        sizes.add_row(what, f"{raw[what]:,}", f"{after:,}")
    console.print(sizes)

    done = table("Steps", "step", "count", right=("count",))
    for file, kinds in provenance["malformed"].items():
        for kind, count in sorted(kinds.items()):
            done.add_row(f"bad row in {escape(file)}: {kind}", f"{count:,}")
    aliases = steps["alias_table"]
    done.add_row("entries in the alias table", f"{aliases['entries']:,}")
    done.add_row("  that lead to another alias", f"{aliases['chains']:,}")
    done.add_row("  that lead to themselves", f"{aliases['self_loops']:,}")
    done.add_row("  circles", f"{len(aliases['cycles']):,}")
    done.add_row(f"misspelt artists replaced ({steps['aliases']})", f"{steps['aliased_artists']:,}")
    done.add_row("  their rows", f"{steps['aliased_rows']:,}")
    done.add_row("rows added to another row of the same pair", f"{steps['rows_merged']:,}")
    console.print(done)
    for cycle in aliases["cycles"][:5]:
        path = " -> ".join(str(member) for member in [*cycle, cycle[0]])
        end = f", all replaced by {cycle[0]}" if steps["aliases"] == "resolved" else ""
        console.print(f"circle of aliases: {path}{end}", highlight=False)
    if "left_out" in steps:
        columns = ("users", "artists", "rows", "plays")
        filtered = table("Left out by request", "filter", *columns, right=columns)
        for one in steps["left_out"]:
            filtered.add_row(one["filter"], *(f"{one[column]:,}" for column in columns))
        console.print(filtered)
