"""Where the published data sets are: they are not part of the project."""

import os
from pathlib import Path

import pytest


def data_folder(name):
    """Return a folder of real data, or skip."""
    root = (
        os.environ.get("HALFSTEP_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
    )
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"no real data: set HALFSTEP_DATA to the folder that holds {name}/")
    return folder
