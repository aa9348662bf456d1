"""The package as it is installed: wheel, sdist, editable and bare clone, each used from elsewhere."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import importlib.util, pathlib, sys, halfstep
import numpy as np
from scipy import sparse
for name in ("solvers", "kernels", "evaluation", "datasets", "recommender", "bench"):
    assert importlib.util.find_spec(name) is None, f"bare {name} is importable"
    assert importlib.util.find_spec("halfstep." + name) is not None, name
assert "numba" not in sys.modules and "pandas" not in sys.modules
matrix = sparse.random(20, 15, 0.3, format="csr", random_state=0)
for solver in sys.argv[1:]:
    halfstep.AlternatingLeastSquares(factors=3, iterations=1, solver=solver).fit(matrix)
from halfstep import datasets, evaluation, bench
from halfstep.kernels.cpu import rows
print(pathlib.Path(halfstep.__file__).resolve().parent)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build sdist and wheel from a copy of the tracked tree, so that the checkout stays clean."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing to build from")
    folder = tmp_path_factory.mktemp("built")
    clone = folder / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_symlink():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).symlink_to((ROOT / name).readlink())
        elif (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(clone)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return folder, clone


def interpreter(folder):
    """Make a virtual environment that borrows the libraries, not the package, of this one."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = next(folder.glob("lib/python*/site-packages"))
    libraries = next(p for p in sys.path if p.endswith("site-packages"))
    # Appended to the path, after the package under test; its editable hook is not executed.
    code = f"import sys; sys.path.append({libraries!r})"
    (site / "libraries.pth").write_text(code + "\n")
    return python


def use(python, folder, *solvers):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run = subprocess.run(
        [python, "-W", "error", "-c", PROGRAM, *solvers],
        cwd=folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    return Path(run.stdout.strip())


def install(python, *what):
    command = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        *what,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]


@pytest.mark.parametrize("kind", ["whl", "tar.gz", "editable"])
def test_installed_and_used_from_another_folder(built, kind, tmp_path):
    folder, clone = built
    python = interpreter(tmp_path / "venv")
    if kind == "editable":
        install(python, "--editable", str(clone))
        assert use(python, tmp_path, "naive").parent == clone
        return
    (package,) = folder.glob(f"*.{kind}")
    install(python, str(package))
    found = use(python, tmp_path, "conjugate_gradient")
    assert found.is_relative_to(tmp_path / "venv")
    assert (found / "py.typed").is_file()
    command = python.parent / "halfstep"
    run = subprocess.run(
        [command, "doctor"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert "conjugate_gradient" in run.stdout


TYPED = """
import numpy as np
from scipy import sparse
import halfstep
from halfstep import AlternatingLeastSquares, Dataset, Recommender, evaluate, load_data, tune

plays = sparse.csr_matrix(np.eye(4, dtype=np.float32))
model = AlternatingLeastSquares(factors=64, regularization=0.05, alpha=2.0, random_state=0)
ids, scores = model.fit(plays).recommend(0, plays[0], N=10)
total: np.float32 = scores.sum()

def train(model: AlternatingLeastSquares) -> AlternatingLeastSquares:
    return model.fit(plays)

train(AlternatingLeastSquares(solver="cpu", cg_steps=3))
train(AlternatingLeastSquares.load("model.npz"))
train(halfstep.load("model.npz"))
train(halfstep.from_implicit(object()))
train(model.to_cpu())

class Mine(AlternatingLeastSquares):
    def fit(self, user_items: object, show_progress: bool = True, *a: object, **k: object) -> "Mine":
        super().fit(user_items, show_progress)
        return self

    def popular(self) -> object:
        return self.item_factors

Mine(factors=4).fit(plays).popular()
train(Mine.load("model.npz"))
data: Dataset = load_data("plays.csv", user="who")
print(evaluate(model, data).means()["ndcg@10"] + 1.0, tune(data).best.settings, Recommender.fit(data))
AlternatingLeastSquares(factor=64)  # wrong
AlternatingLeastSquares(factors="x")  # wrong
AlternatingLeastSquares(random_state="x")  # wrong
AlternatingLeastSquares(use_cg="yes")  # wrong
model.recommends(0, plays[0])  # wrong
model.recommend(0, plays[0], M=10)  # wrong
train(halfstep.SOLVERS["naive"]())  # wrong
halfstep.evaluate("model", data)  # wrong
"""


@pytest.mark.types
@pytest.mark.parametrize(
    ("kind", "checker"), [("whl", "mypy"), ("whl", "pyright"), ("editable", "pyright")]
)
def test_a_type_checker_finds_what_is_wrong_and_nothing_else(built, kind, checker, tmp_path):
    pytest.importorskip(checker, reason=f"{checker} is not installed: make check installs it")
    folder, clone = built
    python = interpreter(tmp_path / "venv")
    install(python, *(["--editable", str(clone)] if kind == "editable" else folder.glob("*.whl")))
    # A checker reads the path files of an environment, but does not execute the lines in them.
    libraries = next(p for p in sys.path if p.endswith("site-packages"))
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (site / "libraries.pth").write_text(f"{libraries}\n")
    program = tmp_path / "program.py"
    program.write_text(TYPED)
    asked = {
        "mypy": ["--ignore-missing-imports", "--python-executable", str(python)],
        "pyright": ["--pythonpath", str(python)],
    }[checker]
    run = subprocess.run(
        [sys.executable, "-m", checker, *asked, str(program)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = {int(n) for n in re.findall(r"program\.py:(\d+).*?error", run.stdout)}
    wrong = {n for n, line in enumerate(TYPED.splitlines(), 1) if line.endswith("# wrong")}
    assert found == wrong, run.stdout + run.stderr


def test_bare_clone_is_used_by_its_path_alone(built, tmp_path):
    _, clone = built
    program = PROGRAM.replace("find_spec(name) is None", "find_spec('no_such') is None")
    env = {**os.environ, "PYTHONPATH": str(clone)}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, "conjugate_gradient"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    assert Path(run.stdout.strip()).parent == clone


def test_packages_hold_what_they_need_and_nothing_else(built):
    folder, _ = built
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"halfstep"}
    for folder_name in ("solvers", "kernels", "evaluation", "datasets", "recommender", "bench"):
        sources = {
            p.name for p in (ROOT / folder_name).iterdir() if p.suffix in (".py", ".cu", ".cuh")
        }
        packed = {n.split("/")[-1] for n in names if n.startswith(f"halfstep/{folder_name}/")}
        assert sources <= packed, folder_name
    with tarfile.open(sdist) as archive:
        members = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "solvers/base.py"} <= members
