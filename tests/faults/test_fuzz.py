"""Every file that is read, spoilt in every way: it is read or refused in one line, and nothing else."""

import io
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from cases import fuzz
from cases.fuzz import check_data, outcome
from cases.processes import path_env
from cases.recommender import SETTINGS, made
from cases.solvers import awkward
from faults.soak import few_or_many, tally

from halfstep import SOLVERS, InputError, Recommender, Solver, datasets
from halfstep.datasets.text import blocks
from halfstep.npz import DamagedArchive, read_arrays


def check_model(path):
    model = Solver.load(path)
    model.recommend(0, None, filter_already_liked_items=False)
    model.similar_items(0)


@few_or_many(10, 3000)
@pytest.mark.parametrize("kind", fuzz.text_files())
def test_text_files(kind, rounds, tmp_path):
    files = fuzz.text_files()[kind]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    source = tmp_path if len(files) > 1 else tmp_path / name
    check_data(source)
    rng = np.random.default_rng(sum(map(ord, kind)))
    for round_ in range(rounds):
        name = list(files)[round_ % len(files)]
        packed = name.endswith(".gz") and round_ % 4
        spoil = fuzz.inside_gzip if packed else fuzz.spoilt
        (tmp_path / name).write_bytes(spoil(files[name], rng))
        tally("Hostile files", f"{kind}, spoilt", outcome(lambda: check_data(source)))
        (tmp_path / name).write_bytes(files[name])


def spoilt_archive(content, rng, round_):
    return (fuzz.spoilt if round_ % 3 == 0 else fuzz.spoilt_members)(content, rng)


@few_or_many(20, 3000)
@pytest.mark.parametrize("kind", ["dataset", "csr", "csc", "coo", "bsr", "dia"])
def test_data_archives(kind, rounds, tmp_path):
    path, content = tmp_path / "data.npz", fuzz.archive(kind)
    path.write_bytes(content)
    check_data(path)
    rng = np.random.default_rng(sum(map(ord, kind)))
    what = f".npz of a {'data set' if kind == 'dataset' else f'SciPy {kind} matrix'}, spoilt"
    for round_ in range(rounds):
        path.write_bytes(spoilt_archive(content, rng, round_))
        tally("Hostile files", what, outcome(lambda: check_data(path)))


@few_or_many(30, 6000)
def test_models(rounds, tmp_path):
    path, stream = tmp_path / "model.npz", io.BytesIO()
    model = SOLVERS["cholesky"](factors=3, iterations=1, random_state=0)
    model.fit(awkward(), show_progress=False).save(stream)
    rng = np.random.default_rng(1)
    for round_ in range(rounds):
        path.write_bytes(spoilt_archive(stream.getvalue(), rng, round_))
        tally("Hostile files", "saved model, spoilt", outcome(lambda: check_model(path)))


@few_or_many(20, 3000)
def test_models_that_carry_their_data(rounds, tmp_path):
    path, data = tmp_path / "model.npz", made()
    Recommender.fit(data, **SETTINGS).save(path)
    content, rng = path.read_bytes(), np.random.default_rng(2)

    def check():
        model = Recommender.load(path)
        model.recommend(data.user_ids[0])
        model.explain(data.user_ids[0], "311")
        model.similar_items("311")

    check()
    for round_ in range(rounds):
        path.write_bytes(spoilt_archive(content, rng, round_))
        tally("Hostile files", "saved model with its ids, spoilt", outcome(check))


@few_or_many(30, 6000)
def test_checkpoints_are_never_half_read(rounds, tmp_path):
    path = tmp_path / "state"
    settings = {"factors": 3, "iterations": 2, "random_state": 0}
    whole = SOLVERS["cholesky"](**settings).fit(awkward(), show_progress=False, checkpoint=path)
    content = path.read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(rounds):
        spoilt = fuzz.spoilt(content, rng)
        path.write_bytes(spoilt)
        model = SOLVERS["cholesky"](**settings)
        result = outcome(lambda: model.fit(awkward(), show_progress=False, resume=path))  # noqa: B023
        tally("Hostile files", "checkpoint, spoilt", result)
        if spoilt == content:
            assert np.array_equal(model.item_factors, whole.item_factors)
        else:
            assert result == "refused in one line"
            assert model.user_factors is None


PARQUET = """
import logging, sys
import numpy as np, pyarrow as pa
from pyarrow import parquet
from cases import fuzz
from cases.fuzz import check_data, outcome

logging.disable(logging.CRITICAL)
path, rounds = sys.argv[1], int(sys.argv[2])
counts = {}
for text in (False, True):
    users = [f"u{k % 9}" if text else k % 9 for k in range(60)]
    table = {"user": users, "item": [k % 7 for k in range(60)], "plays": [k + 0.5 for k in range(60)]}
    parquet.write_table(pa.table(table), path)
    content, rng = open(path, "rb").read(), np.random.default_rng(text)
    for _ in range(rounds):
        open(path, "wb").write(fuzz.spoilt(content, rng))
        result = outcome(lambda: check_data(path))
        counts[result] = counts.get(result, 0) + 1
print(counts)
"""


@few_or_many(10, 3000)
def test_parquet_in_a_process_that_may_crash(rounds, tmp_path):
    pytest.importorskip("pyarrow", reason="reading Parquet needs pyarrow")
    command = [sys.executable, "-c", PARQUET, str(tmp_path / "t.parquet"), str(rounds)]
    ran = subprocess.run(command, capture_output=True, text=True, env=path_env(), check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    for result, count in eval(ran.stdout, {}).items():
        tally("Hostile files", "Parquet table, spoilt", result, count)


BOUNDED = """
import resource, sys
from pathlib import Path
from halfstep import InputError, Solver, datasets
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
try:
    (Solver.load if sys.argv[1] == "model" else datasets.load)(sys.argv[2])
except InputError as error:
    # Not getrusage, whose maximum a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    print(error, next(int(line.split()[1]) for line in status if line[:6] == "VmHWM:") // 1024)
"""


def refused_within(kind, path):
    """Return the message and the peak in MiB of a process that tries to read a hostile file."""
    command = [sys.executable, "-c", BOUNDED, kind, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, env=path_env(), timeout=60)
    assert ran.returncode == 0, ran.stderr[-2000:]
    message, _, peak = ran.stdout.strip().rpartition(" ")
    return message, int(peak)


@pytest.mark.counted
@pytest.mark.skipif(sys.platform != "linux", reason="a process's peak is read from /proc")
@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (
            "user_factors",
            {"gigabytes": 0.3, "repeated": 200},
            r"unpacks to 5\d\.\d GB, and .* are free",
        ),
        ("user_factors", {"claimed": 10**15}, "bytes, not as many as its header states"),
        ("interactions.data", {"claimed": 10**15}, "bytes, not as many as its header states"),
    ],
)
def test_zip_bombs_stay_folded(name, size, message, tmp_path):
    path = tmp_path / "bomb.npz"
    fuzz.zip_bomb(path, name, **size)
    assert path.stat().st_size < 100_000_000
    said, peak = refused_within("model" if name == "user_factors" else "data", path)
    assert re.search(message, said), said
    assert peak < 400
    tally("Hostile files", "zip bomb", "refused below 400 MiB")


GZIP_BOMBS = [
    (b"1,2,3\n", "at most 200 times its size"),
    (b"1", "a line must be at most|at most 200 times"),
]


@pytest.mark.parametrize(("unit", "message"), GZIP_BOMBS)
def test_limits_of_text_files(unit, message, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "LARGE", 9 << 20)
    monkeypatch.setattr(blocks, "LONGEST_LINE", 9 << 20)
    fuzz.gzip_bomb(tmp_path / "bomb.csv.gz", unit, 20 << 20)
    with pytest.raises(InputError, match=message):
        datasets.load(tmp_path / "bomb.csv.gz")


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="a process's peak is read from /proc")
@pytest.mark.parametrize(("unit", "message"), GZIP_BOMBS)
def test_gzip_bombs_stay_folded(unit, message, tmp_path):
    path = tmp_path / "bomb.csv.gz"
    fuzz.gzip_bomb(path, unit, 80 << 20)
    said, peak = refused_within("data", path)
    assert re.search(message, said), said
    assert peak < 900
    tally("Hostile files", "gzip bomb", "refused below 900 MiB")


def test_an_archive_larger_than_the_memory_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model = SOLVERS["cholesky"](factors=3, iterations=1).fit(awkward(), show_progress=False)
    model.save(path)
    monkeypatch.setenv("HALFSTEP_MEMORY_GB", "1e-6")
    with pytest.raises(InputError, match=r"it unpacks to .* MB, and 0\.001 MB of memory are free"):
        Solver.load(path)


def test_arrays_of_every_order_and_byte_order_are_read_as_numpy_reads_them():
    arrays = {
        "rows": np.arange(12, dtype=np.float32).reshape(3, 4),
        "columns": np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4)),
        "none": np.zeros((0, 3)),
        "scalar": np.int64(5),
        "text": np.array("é"),
        "empty": np.array(""),
        "bytes": np.array([b"a", b"bcd"]),
    }
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, **arrays)
        found = read_arrays(stream)
        stream.seek(0)
        with np.load(stream) as expected:
            assert set(found) == set(expected.files)
            for name in expected.files:
                assert np.array_equal(found[name], expected[name])
                assert found[name].shape == expected[name].shape
                assert found[name].dtype == expected[name].dtype.newbyteorder("=")


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_pickles_are_never_loaded_and_strangers_refused():
    pickled, stranger = io.BytesIO(), io.BytesIO()
    np.savez(pickled, a=np.array([Trap()], dtype=object), b=np.arange(3))
    assert list(read_arrays(pickled)) == ["b"]
    with zipfile.ZipFile(stranger, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(DamagedArchive, match=r"must hold \.npy members, each once"):
        read_arrays(stranger)
