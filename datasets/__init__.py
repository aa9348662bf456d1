"""From files, or from nothing but a preset's name, to a users x items matrix with its names.

from halfstep.datasets import load
load("music-small")                      # a preset: generated, no files needed
load("lastfm/")                          # a folder whose files show its format
load("ratings.csv.gz")                   # a table, or an .npz
load("audioscrobbler:dumps/user_artist_data_small.txt")
"""

from __future__ import annotations

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.sources import FORMATS, PRESETS, load

__all__ = ["FORMATS", "PRESETS", "Dataset", "load"]
