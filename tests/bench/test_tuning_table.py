"""The README's table of a tuned model: published numbers only beside the split that they are of."""

import json

import pytest

from halfstep import InputError
from halfstep.bench.report.markdown import BEGIN, END, rewrite
from halfstep.bench.report.tuning import PUBLISHED, markdown


def measured(mean):
    return {"mean": mean, "low": mean - 0.001, "high": mean + 0.001, "spread": 0.0}


def record(content_hash):
    models = {
        "popularity": {"recall@20": measured(0.0416), "ndcg@20": measured(0.0317)},
        "tuned": {"recall@20": measured(0.25), "ndcg@20": measured(0.125)},
    }
    return {
        "kind": "tuning",
        "data": {"name": "songs", "hash": content_hash, "items": 1234},
        "metric": "ndcg@20",
        "budget": 1200.0,
        "seconds": {"trials": 1200.0, "last fit and test": 120.0, "this run": 300.0},
        "environment": {"cpu": "A Processor", "cores": 2},
        "chosen": {"settings": {"factors": 64, "background": 0.012345}, "iterations": 4},
        "test": {"models": models},
        "trials": [{}] * 9,
    }


def test_published_rows_belong_to_their_split():
    (known,) = PUBLISHED
    text = markdown(record(known))
    assert "| LightGCN | .1820 | .1547 | published |" in text
    assert "LightGCN" not in markdown(record("another"))
    assert "| popularity | .0416 | .0317 |  |" in text
    assert "**.2500** (.2490–.2510)" in text
    assert "factors 64, background 0.0123, iterations 4" in text
    assert "`halfstep tune --metric ndcg@20 --budget 20m`" in text
    usual = record(known) | {"metric": "ndcg@10"}
    assert "`halfstep tune --budget 20m`" in markdown(usual)
    assert "22 minutes" in text
    counted = record(known) | {"budget": None, "most_trials": 40}
    assert "`halfstep tune --metric ndcg@20 --trials 40`" in markdown(counted)


def test_the_readme_shows_it(tmp_path):
    readme, results = tmp_path / "README.md", tmp_path / "results"
    results.mkdir()
    readme.write_text(f"{BEGIN}\n{END}\n")
    (results / "tune.json").write_text(json.dumps(record("another")))
    rewrite(readme, results)
    assert "songs: `halfstep tune --metric ndcg@20 --budget 20m`" in readme.read_text()
    broken = record("another")
    del broken["test"]["models"]["tuned"]["ndcg@20"]
    (results / "tune.json").write_text(json.dumps(broken))
    with pytest.raises(InputError, match="must have the field 'ndcg@20'"):
        rewrite(readme, results)
