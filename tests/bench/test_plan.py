import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from halfstep.bench.inputs import split_data
from halfstep.bench.settings import BenchSettings
from halfstep.bench.suites import bytes_needed, plan
from halfstep.errors import InputError

SETTINGS = BenchSettings(factors=(7,))


@pytest.fixture(scope="module")
def bench_data(two_tastes):
    return split_data(two_tastes, SETTINGS)


def test_data_with_its_own_held_out_part(two_tastes):
    absent = np.setdiff1d(range(45), two_tastes.interactions[0].indices)[:1]
    test = sparse.csr_matrix(([1.0], ([0], absent)), shape=two_tastes.interactions.shape)
    own = split_data(replace(two_tastes, test=test), SETTINGS)
    assert own.test is test
    assert own.train is two_tastes.interactions
    assert own.record.split == "the data's own held-out part"
    assert own.evaluated.tolist() == [0]


def test_a_split_is_seeded_and_recorded(two_tastes, bench_data):
    again = split_data(two_tastes, SETTINGS)
    other = split_data(two_tastes, replace(SETTINGS, seed=1))
    assert (again.test != bench_data.test).nnz == 0
    assert (other.test != bench_data.test).nnz > 0
    assert bench_data.record.entries + bench_data.record.held_out == two_tastes.entries
    assert bench_data.record.content_hash == two_tastes.content_hash


def test_many_users_are_sampled(two_tastes, monkeypatch):
    monkeypatch.setattr("halfstep.bench.inputs.EVALUATED_USERS", 50)
    sampled = split_data(two_tastes, SETTINGS)
    assert len(np.unique(sampled.evaluated)) == sampled.record.evaluated_users == 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": "slow"}, "suite must be one of"),
        ({"solvers": ("cholesky", "nobody")}, "solvers must be among"),
        ({"solvers": ()}, "solvers must name at least one"),
        ({"factors": (8, 8)}, "factors must be different"),
        ({"factors": ()}, "factors must be different"),
        ({"factors": (0,)}, "factors must be different"),
        ({"iterations": 0}, "iterations must be"),
        ({"repeats": 1.5}, "repeats must be"),
        ({"seed": -1}, "seed must be"),
        ({"test_fraction": math.nan}, "test_fraction must lie"),
        ({"budget": 0.0}, "budget must be"),
        ({"confidence": "cubic"}, "confidence must be"),
        ({"regularization": -1.0}, "regularization must be"),
        (
            {"cells": "gowalla"},
            "cells and data_folder belong to the suites quality and acceleration",
        ),
        ({"resume": True}, "resume belongs to the suite 'quality'"),
        ({"suite": "small", "data": "plays.csv"}, "the suite 'small' has data of its own"),
        (
            {"suite": "preparation", "factors": (8,)},
            "the suite 'preparation' has factors of its own",
        ),
        (
            {"suite": "threads", "solvers": ("cholesky",)},
            "the suite 'threads' has solvers of its own",
        ),
        (
            {"suite": "quality", "solvers": ("cholesky",)},
            "the suite 'quality' has solvers of its own",
        ),
        ({"suite": "quality", "regularization": 1.0}, "'quality' has regularization of its own"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        BenchSettings(**change)


def test_out_must_not_be_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="out must be a folder"):
        BenchSettings(out=file)


def test_out_may_be_made_below_the_first_folder_that_exists(tmp_path):
    BenchSettings(out=tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"out must be a folder, got .*, where '.*file' is none"):
        BenchSettings(out=tmp_path / "file" / "b")


def test_out_must_be_writable(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(InputError, match="out must be a folder to write to"):
        BenchSettings(out=tmp_path / "a" / "b")


def test_recorded_settings_hold_no_folder():
    record = BenchSettings(data="table:folder/ratings.csv").record()
    assert record["data"] == "table:ratings.csv"
    assert "out" not in record
    assert BenchSettings(data="music-small").record()["data"] == "music-small"


def test_suites():
    quick = plan(BenchSettings())
    assert [c.factors for c in quick.cases] == [32, 8, 16, 64, 32]
    assert [c.table for c in quick.cases] == [True, False, False, False, True]
    full = plan(BenchSettings(suite="full"))
    assert [c.factors for c in full.cases] == [32, 64, 128, 256, 512]
    assert all(c.table for c in full.cases)
    chosen = plan(BenchSettings(factors=(5, 6), iterations=4, repeats=1))
    assert [c.factors for c in chosen.cases] == [5, 6, 5, 6]
    assert all(c.table and (c.iterations, c.repeats) == (4, 1) for c in chosen.cases)


def test_quick_has_a_table_of_heavy_tailed_plays_with_their_own_weights():
    mild, *_, heavy = plan(BenchSettings()).cases
    assert (mild.data, heavy.data) == ("music-small", "plays-small")
    assert (mild.convention["confidence"], mild.convention["regularization"]) == ("log", 20.0)
    assert (heavy.convention["confidence"], heavy.convention["regularization"]) == (
        "implicit",
        0.01,
    )
    assert mild.to_read
    assert not heavy.to_read


@pytest.mark.parametrize("given", [{"data": "music-small"}, {"confidence": "binary"}])
def test_who_says_what_to_measure_gets_that_alone(given):
    assert {case.data for case in plan(BenchSettings(**given)).cases} == {"music-small", None}


def test_what_is_given_comes_before_the_convention_of_the_data():
    assert BenchSettings(data="plays-medium").convention()["regularization"] == 0.01
    own = BenchSettings(data="plays-medium", regularization=3.0).convention()
    assert (own["confidence"], own["regularization"]) == ("implicit", 3.0)
    assert BenchSettings(regularization=0.0).convention()["regularization"] == 0.0
    assert BenchSettings().record()["confidence"] == "log"


def test_scaling_says_what_memory_does_not_allow(monkeypatch):
    psutil = pytest.importorskip("psutil")
    available = SimpleNamespace(available=2 * bytes_needed(10_000_000, 64))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    scaling = plan(BenchSettings(suite="scaling"))
    assert [(c.entries, c.num_threads) for c in scaling.cases] == [
        (1_000_000, 1),
        (1_000_000, 2),
        (3_000_000, 1),
        (3_000_000, 2),
        (10_000_000, 1),
        (10_000_000, 2),
    ]
    assert len(scaling.left_out) == 2
    for entries, reason in zip(("30,000,000", "100,000,000"), scaling.left_out, strict=True):
        assert reason.startswith(f"{entries} entries with 64 factors: needs about")
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    scaling = plan(BenchSettings(suite="scaling"))
    assert {c.num_threads for c in scaling.cases} == {1}
    assert scaling.left_out[0] == "2 threads: this machine has 1"
