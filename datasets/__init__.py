"""From files, or from nothing but a preset's name, to a users x items matrix with its names.

from halfstep.datasets import load
load("music-small")                      # a preset: generated, no files needed
load("lastfm/")                          # a folder whose files show its format
load("ratings.csv.gz")                   # a table, or an .npz
load("audioscrobbler:dumps/user_artist_data_small.txt")

`Dataset` is what all of them become. `text` reads lines, `formats` knows published formats,
`audioscrobbler` the dump with its aliases, `generated` makes data from a seed, `description` says what
data looks like.
"""

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.sources import FORMATS, PRESETS, load
from halfstep.lazy import offered

_OFFERED = {
    "Filters": "audioscrobbler",
    "TAIL": "generated",
    "describe": "description",
    "draw_plots": "description",
    "from_triples": "triples",
    "generate_dump": "generated",
    "generate_music": "generated",
    "listener": "lookup",
    "read_audioscrobbler": "audioscrobbler",
}
__all__ = ["FORMATS", "PRESETS", "Dataset", "load", *sorted(_OFFERED)]
__getattr__ = offered(__name__, _OFFERED)
