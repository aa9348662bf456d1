"""A small data set, a model that was fitted to it, and tables beside them, for commands that query."""

import json

import numpy as np
import pytest

from halfstep.cli.main import run
from halfstep.datasets import Dataset
from halfstep.datasets.triples import from_triples

NAMES = (
    "Radiohead",
    "Björk",
    "Beck",
    "[unknown]",
    "311",
    "Air",
    "beck",
    "",
    "Radiohead Tribute",
    "U2",
)

TABLES = {
    "taste.csv": "item_id,plays\n300,9\n360,2\n",
    "one.csv": "name\nRadiohead\nbeck\n",
    "heads.csv": "item_id,plays\n",
    "strange.csv": "item\nzzz\nyyy\n",
    "unclear.csv": "300,x\n310,y\n",
    "negative.csv": "item,plays\n300,1\n310,-2\n",
    "ragged.csv": "item,plays\n300,1\n310\n",
    "several.csv": "user,item,plays\n1,300,9\n2,310,4\n1,360,2\n",
    "empty.csv": "\n",
    "blank.csv": '"", ,\n,,\n',
    "quotes.csv": 'item,plays\n"300,1\n',
    "binary.csv": "item\n\0\n",
    "strangers.txt": "7\n8\n",
}


@pytest.fixture(scope="module")
def plays():
    """Two tastes: even users even artists; ids that are no indices."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 3)
    items = users % 2 + 2 * rng.integers(5, size=len(users))
    data = from_triples(users + 2000, items * 10 + 300, rng.integers(1, 50, size=len(users)))
    names = np.array(NAMES, dtype=object)
    return Dataset("tiny", data.interactions, data.user_ids, data.item_ids, item_names=names)


@pytest.fixture(scope="module")
def folder(plays, tmp_path_factory):
    """Hold the data and a model that was fitted to it."""
    folder = tmp_path_factory.mktemp("model")
    plays.save(folder / "plays.npz")
    settings = ["--solver", "cholesky", "--factors", "2", "--regularization", "1"]
    model, data = str(folder / "model.npz"), str(folder / "plays.npz")
    assert run(["fit", "-o", model, "--data", data, *settings]) == 0
    for name, text in TABLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    Dataset("s", plays.interactions, plays.user_ids + 9999, plays.item_ids).save(
        folder / "strangers.npz"
    )
    return folder


@pytest.fixture
def command(folder, monkeypatch):
    monkeypatch.chdir(folder)

    def call(*arguments):
        code = run([*(str(a) for a in arguments), "--json", "out.json"])
        return code, json.loads((folder / "out.json").read_text()) if code == 0 else None

    return call
