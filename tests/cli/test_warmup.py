"""`halfstep warmup` compiles what later commands need, says where, and fails if nothing is kept."""

import json
import subprocess
import sys

import pytest

from halfstep.cli.main import run
from halfstep.evaluation import warmup as module
from halfstep.kernels.compiled import cache, folders

AFTERWARDS = """
import numpy as np, scipy.sparse as sparse
import halfstep
from halfstep.evaluation import evaluate
from halfstep.kernels.compiled.cache import compilations
draws = np.random.default_rng(5)
whole = sparse.random(300, 9000, 0.03, "csr", random_state=3, dtype=np.float32)
whole.data = draws.geometric(0.3, whole.nnz).astype(np.float32)
for settings in ({}, {"confidence": "log"}, {"alpha": 1000.0}):
    model = halfstep.AlternatingLeastSquares(factors=20, iterations=3, **settings)
    model.fit(whole[:, :90], show_progress=False)
    model.fit(whole, show_progress=False)
model.recommend(np.arange(300), whole)
model.recommend(0, whole[0], recalculate_user=True)
model.similar_items(np.arange(50))
evaluate(model.user_factors, model.item_factors, sparse.csr_matrix(whole.shape, dtype=np.float32), whole)
print(compilations())
"""


def test_after_a_warmup_nothing_is_left_to_compile(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cache.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(module, "_run_all", lambda dtype: None)
    assert run(["warmup", "--json", str(tmp_path / "out.json")]) == 0
    assert json.loads((tmp_path / "out.json").read_text())["files"] == 0
    assert str(tmp_path / "halfstep") in capsys.readouterr().out
    monkeypatch.undo()
    # The folder of this run's other tests is used, so that this compiles only once a machine.
    for call in ("from halfstep.cli.main import main; main(['warmup'])", AFTERWARDS):
        done = subprocess.run(
            [sys.executable, "-c", call],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == "0\n"


def test_a_folder_that_cannot_be_written_ends_it_with_code_2(tmp_path, monkeypatch, capsys):
    nonsense = tmp_path / "a file"
    nonsense.write_text("")
    below = [folders.Folder(nonsense / "below", "NUMBA_CACHE_DIR")]
    private = folders.Folder(tmp_path / "private", "temporary")
    monkeypatch.setattr(cache, "code_folders", lambda: [*below, private])
    monkeypatch.setattr(module, "_run_all", lambda dtype: pytest.fail("it ran all the same"))
    assert run(["warmup"]) == 2
    said = capsys.readouterr().err
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in said
    assert str(nonsense / "below") in said


def test_the_doctor_shows_where_code_is_kept_and_whether_it_can_be(tmp_path, monkeypatch):
    from halfstep.cli import doctor

    monkeypatch.setattr(cache, "code_folders", lambda: [folders.Folder(tmp_path, "the user's")])
    (tmp_path / "rule.step_rows-0-0.compiled").write_bytes(bytes(1_500_000))
    assert doctor.examine().machine["compiled code"] == f"{tmp_path}, writable (1 file, 1.5 MB)"
    monkeypatch.setattr(folders.Folder, "refused", lambda self: "Read-only file system")
    assert "not kept" in doctor.examine().machine["compiled code"]
    assert "Read-only file system" in doctor.examine().machine["compiled code"]


def test_float64_is_compiled_where_it_is_asked_for(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(module, "_run_all", asked.append)
    assert run(["warmup"]) == 0
    assert run(["warmup", "--float64"]) == 0
    assert asked == ["float32", "float64"]
