"""`make gpu` without a card: that the command works from end to end, and that its counts are right."""

import json

import numpy as np
import pytest
from emulator import build

from halfstep.bench import gpu, gpu_proofs, gpu_table, readme
from halfstep.bench.gpu_counts import per_entry
from halfstep.bench.gpu_kernels import resident_warps
from halfstep.bench.gpu_shapes import Shape, generate
from halfstep.kernels.gpu_backend import unavailable


def test_generated_data_has_its_shape_and_is_canonical():
    matrix = generate(Shape("some", 400, 300, 9000))
    assert matrix.shape == (400, 300)
    assert 0.8 * 9000 < matrix.nnz < 1.2 * 9000
    assert (np.diff(matrix.indptr) > 0).all()
    for u in range(400):
        assert (np.diff(matrix.indices[matrix.indptr[u] : matrix.indptr[u + 1]]) > 0).all()
    assert (generate(Shape("some", 400, 300, 9000)) != matrix).nnz == 0


def test_counts_fall_along_the_ladder():
    ladder = [name for name in reversed(gpu_proofs.gpu_rungs()) if "_cg_" in name]
    counted = [per_entry(name, 128).bytes for name in ladder]
    assert counted == sorted(counted, reverse=True)
    assert counted[-1] == 2 * 128 + 8 + 3 * 4
    # 64 registers and no shared memory: half of 64 warps; 113 KB: two blocks of 8 warps.
    assert resident_warps(64, 0, 128) == 32
    assert resident_warps(32, 113 * 1024 - 1024, 256) == 16


@pytest.mark.kernels
@pytest.mark.skipif(build.why_not() is not None, reason=str(build.why_not()))
def test_the_whole_command_on_the_emulator(tmp_path):
    file = tmp_path / "results" / "emulated.json"
    assert gpu.main(["--emulate", "--out", str(file)]) == 0
    record = json.loads(file.read_text())
    assert all(row["equal"] for row in record["parity"])
    (table,) = record["tables"]
    ran = {row["solver"] for row in table["rows"] if row["seconds"]}
    assert ran >= {*gpu_proofs.gpu_rungs(), "eigenbasis"}
    assert table["reference"] == "gpu_cg_1_naive"
    assert gpu_table.read_gpu(file) == record
    page = tmp_path / "README.md"
    page.write_text(f"{readme.BEGIN}\n{readme.END}\n")
    readme.rewrite(page, file.parent)
    assert "| gpu_cg_7_half |" in page.read_text()
    assert "the emulator (no speeds)" in page.read_text()


def test_without_a_card_it_says_why(capsys):
    if unavailable() is None:
        pytest.skip("there is a card")
    assert gpu.main([]) == 2
    assert "cannot run here: " in capsys.readouterr().err
