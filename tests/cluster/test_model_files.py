"""A sharded model's files: whole or refused, with a remedy; copied to any folder that fsspec knows."""

import json
import os
import uuid

import numpy as np
import pytest
from cases.cluster.models import SMALL, cut, having, lists_in, model_of, table_of
from cases.cluster.s3 import s3_folder, s3_server  # noqa: F401

from halfstep.distributed.facts import Facts
from halfstep.distributed.model import ShardedModel
from halfstep.distributed.model.factor_files import read_factors, write_factors
from halfstep.distributed.model.record import discard_model, write_model
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError


@pytest.fixture
def fit(tmp_path):
    return cut(tmp_path / "fit", model_of(SMALL), having(SMALL))


def record_of(fit, change):
    """Change the model's record in place."""
    path = fit.folder.path("model/model.json")
    with open(path) as file:
        content = json.load(file)
    change(content)
    with open(path, "w") as file:
        json.dump(content, file)


def test_a_model_is_read_as_it_was_written(fit):
    assert fit.solver_ == "cholesky"
    assert fit.iterations_ == 4
    assert (fit.loss_history_, fit.seconds_, fit.relaxation_) == (
        [3.0, 2.5],
        [0.1, 0.2],
        [1.0, 1.1],
    )
    assert fit.settings["factors"] == 7
    assert fit.settings["dtype"] == "float32"
    assert fit.facts == Facts.read(fit.folder.child("data"))
    assert repr(fit) == (
        f"<ShardedModel in '{fit.folder.url}': cholesky, 7 factors, 4 iterations, "
        "37 users x 23 items, 3 shards>"
    )
    assert repr(ShardedModel.load(fit.folder)) == repr(fit)
    factors = np.load(fit.folder.path("model/user-00001.npy"))
    assert (factors == model_of(SMALL).user_factors[slice(*fit.facts.starts["user"][1:3])]).all()


def cut_short(path):
    os.truncate(path, os.path.getsize(path) - 1)


def flipped(path):
    with open(path, "r+b") as file:
        file.seek(-3, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-3, os.SEEK_END)
        file.write(bytes([byte ^ 1]))


def longer(path):
    with open(path, "ab") as file:
        file.write(b"0")


def of_another_shape(path):
    np.save(path, np.zeros((2, 3), np.float32))


def no_numbers(path):
    with open(path, "wb") as file:
        file.write(b"nothing of the kind, but long enough")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (os.unlink, "is missing"),
        (cut_short, r"is damaged \(it is cut short, 1 bytes are missing\)"),
        (flipped, r"is damaged \(its SHA-256 digest is another one\)"),
        (longer, r"is damaged \(it is longer than its head states\)"),
        (of_another_shape, r"is damaged \(it holds float32 of shape \(2, 3\), not float32 of"),
        (no_numbers, r"is damaged \(its head is no .npy's\)"),
    ],
)
def test_spoilt_factors_name_the_file_and_the_remedy(fit, tmp_path, spoil, said):
    spoil(fit.folder.path("model/item-00002.npy"))
    for ask in (
        lambda: fit.recommend_all(str(tmp_path / "lists"), show_progress=False),
        lambda: fit.recommend(1007),
        fit.to_model,
    ):
        with pytest.raises(
            InputError, match=rf"item-00002.npy {said}.*: fit again with resume=True"
        ):
            ask()
    with pytest.raises(InputError, match="item-00002"):
        fit.save(tmp_path / "copy")
    with pytest.raises(InputError, match="has no model"):
        ShardedModel.load(tmp_path / "copy")
    cut(tmp_path / "fit", model_of(SMALL), having(SMALL)).save(tmp_path / "copy")
    ShardedModel.load(tmp_path / "copy").to_model()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda c: c.update(format="halfstep sharded model 7"),
            "got 'halfstep sharded model 7': read it",
        ),
        (lambda c: c.pop("format"), "is damaged"),
        (lambda c: c.pop("settings"), r"is damaged \(KeyError: 'settings'\)"),
        (lambda c: c["files"]["item"].pop(), r"is damaged \(the item factors have shapes"),
        (lambda c: c["files"]["user"][1].update(dtype="float64"), "user factors differ in dtype"),
        (lambda c: c["files"]["user"][1].update(name="../x.npy"), "names outside of their folder"),
        (lambda c: c["facts"].update(identity="0" * 64), "do not belong together"),
    ],
)
def test_a_record_that_is_wrong_is_refused(fit, change, said):
    record_of(fit, change)
    with pytest.raises(InputError, match=said):
        ShardedModel.load(fit.folder.url)


def test_what_is_no_model_is_refused(fit, tmp_path):
    with pytest.raises(InputError, match=r"has no model, since model/model.json is missing"):
        ShardedModel.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="folder must be a path or a URL, got int"):
        ShardedModel.load(3)
    with open(fit.folder.path("model/model.json"), "w") as file:
        file.write('{"format"')
    with pytest.raises(InputError, match=r"model.json is damaged: fit again with resume=True"):
        ShardedModel.load(fit.folder)
    discard_model(fit.folder)
    with pytest.raises(InputError, match="has no model"):
        ShardedModel.load(fit.folder)


def test_files_that_do_not_fit_the_data_make_no_model(fit):
    discard_model(fit.folder)
    files = {side: list(fit._record.files[side]) for side in ("user", "item")}
    files["user"][0] = write_factors(fit.folder, "user", 0, np.zeros((1, 7), np.float32))
    with pytest.raises(
        InputError, match="the files of a model must fit the data: the user factors"
    ):
        write_model(fit.folder, fit.facts, {}, files, solver="cholesky", iterations=1)
    assert not fit.folder.exists("model/model.json")


def test_settings_that_no_file_can_have_are_left_out(fit):
    settings = {"random_state": np.random.default_rng(0), "init_factors": (1, 2), "alpha": np.nan}
    files = fit._record.files
    write_model(fit.folder, fit.facts, settings, files, solver="cholesky", iterations=1,
                loss_history=[np.nan])  # fmt: skip
    again = ShardedModel.load(fit.folder)
    assert again.settings == {"dtype": "float32", "alpha": None}
    assert np.isnan(again.loss_history_).all()


@pytest.mark.parametrize("shape", [(0, 3), (5, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_come_back_as_numpy_reads_them(tmp_path, shape, dtype):
    folder = Folder(tmp_path)
    factors = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    file = write_factors(folder, "user", 12, np.asfortranarray(factors))
    assert (np.load(tmp_path / "model" / "user-00012.npy") == factors).all()
    assert (read_factors(folder, file) == factors).all()


def test_a_copy_stands_alone(tmp_path):
    model, matrix = model_of(SMALL), having(SMALL)
    fit = cut(tmp_path / "fit", model, matrix, hub_entries=8)
    assert fit.facts.hubs["user"]
    copy = fit.save(tmp_path / "copy", history=True)
    fit.folder.remove("data")
    fit.folder.remove("model")
    assert copy.facts == fit.facts
    again = ShardedModel.load(tmp_path / "copy")
    again.recommend_all(str(tmp_path / "lists"), 5, show_progress=False)
    lists = lists_in(Folder(tmp_path / "lists"), again)
    assert lists.to_pydict() == table_of(model, matrix, 5)


def test_a_copy_replaces_a_copy_and_nothing_else(fit, tmp_path):
    target = Folder(tmp_path / "copy")
    fit.save(target, history=True)
    smaller = cut(tmp_path / "fit 2", model_of(SMALL, seed=1), having(SMALL), shards=2)
    smaller.save(target)  # of the same data, in fewer shards
    assert target.child("model").names() == [
        "item-00000.npy", "item-00001.npy", "model.json", "user-00000.npy", "user-00001.npy",
    ]  # fmt: skip
    assert target.child("data").names() == ["ids"]
    assert len(target.child("data/ids").names()) == 4
    assert repr(ShardedModel.load(target)).endswith("2 shards>")

    other = cut(tmp_path / "other", model_of(SMALL), having(SMALL, seed=5))
    for folder in (other.folder, fit.folder):
        with pytest.raises(InputError, match=r"must be another one|is no copy of a model"):
            fit.save(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(
        InputError, match="has files and is no copy of a model, so it is not written to"
    ):
        fit.save(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]
    with pytest.raises(InputError, match="give history=False"):
        ShardedModel.load(target).save(tmp_path / "third", history=True)


def stored(url, options, tmp_path):
    """Take a model from a store to a disk and back; its lists are those of one process."""
    model, matrix = model_of(SMALL), having(SMALL)
    fit = cut(url, model, matrix, text=True, storage_options=options)
    copy = fit.save(tmp_path / "copy", history=True).save(f"{url}-copy", options, history=True)
    for sharded in (fit, copy):
        sharded.recommend_all(f"{url}-lists", 5, show_progress=False)
        lists = lists_in(Folder(f"{url}-lists", options), sharded)
        assert lists.to_pydict() == table_of(model, matrix, 5, text=True)
    other = model_of(SMALL, seed=3)
    cut(url, other, matrix, shards=2, storage_options=options)  # takes the place of the first
    assert (ShardedModel.load(url, options).to_model().user_factors == other.user_factors).all()


def test_in_memory(tmp_path):
    url = f"memory://{uuid.uuid4().hex}"
    stored(url, None, tmp_path)


def test_in_an_object_store(s3_folder, tmp_path):  # noqa: F811
    stored(*s3_folder, tmp_path)
