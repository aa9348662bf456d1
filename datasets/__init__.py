"""Load a data set: a users x items matrix with its ids and names, from files or generated from a seed.

    from halfstep.datasets import load
    load("music-small")                      # a preset: generated, no files needed
    load("lastfm/")                          # a folder, whose files show its format
    load("ratings.csv.gz")                   # a table, or an .npz
    load_data("log.csv", user="customer", item="article")
    load("audioscrobbler:dumps/user_artist_data_small.txt")

`load` returns a `Dataset`. `sources` chooses the reader, `text` reads lines and columns, `formats` reads
published file formats, `audioscrobbler` reads the Audioscrobbler dump and its alias table, `generated`
makes data from a seed, and `description` describes play counts in numbers and plots.
"""

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.sources import FORMATS, PRESETS, load, load_data
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
__all__ = ["FORMATS", "PRESETS", "Dataset", "load", "load_data", *sorted(_OFFERED)]
__getattr__ = offered(__name__, _OFFERED)
