"""The layout's rules hold, and each of them can fail: made-up trees that break one rule each."""

from pathlib import Path

import pytest
from house import layout, prose

ROOT = Path(__file__).resolve().parents[2]
# Its modules annotate the model that they work on with the class that the package makes of them.
CIRCLE_WITHIN = "halfstep.solvers.model"


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes files by their paths, and the folder that they are in."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_layers_import_what_is_below_them():
    assert layout.upward_imports(ROOT) == []


@pytest.mark.parametrize(
    ("file", "line", "target"),
    [
        ("halfstep/types.py", "from halfstep.kernels import cpu", "halfstep.kernels.cpu"),
        ("kernels/cpu.py", "import halfstep.solvers.base", "halfstep.solvers.base"),
        ("datasets/table.py", "from halfstep.solvers.base import x", "halfstep.solvers.base"),
        ("solvers/base.py", "from halfstep.datasets import table", "halfstep.datasets.table"),
        ("evaluation/auc.py", "from ..bench import run", "halfstep.bench.run"),
        ("bench/run.py", "def f():\n    from halfstep import cli", "halfstep.cli"),
        (
            "lab/check.py",
            "if TYPE_CHECKING:\n    from halfstep.cli import main",
            "halfstep.cli.main",
        ),
        ("solvers/base.py", "import halfstep", "halfstep"),
    ],
)
def test_an_upward_import_is_found(tree, file, line, target):
    folders = dict.fromkeys([f"{folder}/__init__.py" for folder in layout.FOLDERS], "")
    others = dict.fromkeys(
        ["kernels/cpu.py", "solvers/base.py", "datasets/table.py", "bench/run.py", "cli/main.py"],
        "",
    )
    allowed = {"cli/__init__.py": "from halfstep.lab import check\nimport numpy, halfstep.types\n"}
    given = {"lab/check.py": "", "halfstep/types.py": "", **folders, **others, **allowed}
    assert layout.upward_imports(tree(given)) == []
    found = layout.upward_imports(tree({file: line}))
    (said,) = found
    assert said.startswith(f"{file}:{1 + line.count(chr(10))}: ")
    assert said.endswith(f"must not import {target}")


def test_imports_go_in_no_circle():
    for circle in layout.circles(ROOT):
        others = [name for name in circle if not name.startswith(CIRCLE_WITHIN)]
        assert others == [], circle


def test_a_circle_of_imports_is_found(tree):
    chain = {
        "solvers/a.py": "from halfstep.solvers import b",
        "solvers/b.py": "from halfstep.solvers.c import x",
        "solvers/c.py": "",
        "solvers/alone.py": "from halfstep.solvers import a",
    }
    assert layout.circles(tree(chain)) == []
    closed = {"solvers/c.py": "def f():\n    from halfstep.solvers import a"}
    names = [f"halfstep.solvers.{name}" for name in "abc"]
    assert layout.circles(tree(closed)) == [names]
    itself = {"kernels/x.py": "from halfstep.kernels.x import y"}
    assert layout.circles(tree(itself)) == [["halfstep.kernels.x"], names]


def test_no_folder_and_no_file_is_too_large():
    assert layout.too_large(ROOT) == []


def test_what_is_too_large_is_found(tree):
    root = tree({"solvers/one.py": "x\n" * 300, "kernels/cuda/one.cu": "x\n" * 300})
    tree({f"solvers/{n}.py": "" for n in range(24)} | {"solvers/results.json": "x\n" * 999})
    tree({f"kernels/cuda/{n}.cuh": "" for n in range(34)})
    assert layout.too_large(root) == []
    tree({"solvers/gpu.py": "x\n" * 301, "kernels/cuda/half.cu": "x\n" * 301})
    assert layout.too_large(root) == [
        "kernels/cuda/: 36 source files, at most 35",
        "solvers/: 26 source files, at most 25",
        "kernels/cuda/half.cu: 301 lines, at most 300",
        "solvers/gpu.py: 301 lines, at most 300",
    ]


def test_packages_are_those_that_pyproject_lists():
    assert layout.unlisted_packages(ROOT) == []


def test_a_package_that_is_not_listed_is_found(tree):
    listed = 'packages = [\n    "halfstep",\n    "halfstep.bench",\n]\n'
    folders = '"halfstep" = "halfstep"\n"halfstep.bench" = "bench"\n'
    root = tree(
        {
            "halfstep/__init__.py": "",
            "bench/__init__.py": "",
            "bench/results/one.json": "",
            "pyproject.toml": listed + folders,
        }
    )
    assert layout.unlisted_packages(root) == []
    tree({"bench/report/__init__.py": "", "cli/__init__.py": ""})
    (root / "bench/__init__.py").unlink()
    assert layout.unlisted_packages(root) == [
        "halfstep.bench is listed and has no __init__.py",
        "halfstep.bench.report is not listed",
        "halfstep.cli is not listed",
        "cli/ has no line in package-dir",
    ]


def test_paths_and_links_in_prose_lead_somewhere():
    assert prose.broken_paths(ROOT) == []


def test_a_path_that_leads_nowhere_is_found(tree):
    sound = (
        "[here](docs/page.md#the-top-first), [`base.py`](solvers/base.py), [out](https://a.org/none), "
        "`solvers/`, `solvers/b*.py`, `base.py`, `build/out.json`, `model.npz`, `/proc/none`, "
        "`a / b`, `*.py`\n\n```\n`solvers/none.py`\n```\n\n    ls `solvers/none.py`\n"
    )
    root = tree(
        {
            ".gitignore": "/build/\n__pycache__/\n",
            "README.md": sound,
            "docs/page.md": "# The `top`, first\n[up](../solvers/base.py) [here](#the-top-first)",
            "solvers/base.py": '"""See `solvers/base.py` and `solvers/__pycache__`."""',
            "kernels/cuda/cg.cu": "// as `kernels/cuda/cg.cu` has it",
        }
    )
    assert prose.broken_paths(root) == []
    tree(
        {
            "README.md": "[a](docs/none.md) `solvers/none/` `none.py` `solvers/n*.py` "
            "[`cg.cu`](solvers/base.py)",
            "docs/page.md": "[up](solvers/base.py) [here](#the-top-first)",
            "SECURITY.md": "`bench/none`",
            "solvers/gone.py": 'class A:\n    """See `solvers/none.py`."""',
            "kernels/cuda/gone.cu": "// `none.cuh`",
        }
    )
    assert prose.broken_paths(root) == [
        "README.md: no docs/none.md",
        "README.md: cg.cu leads to solvers/base.py",
        "README.md: no solvers/none/",
        "README.md: no none.py",
        "README.md: no solvers/n*.py",
        "SECURITY.md: no bench/none",
        "docs/page.md: no solvers/base.py",
        "docs/page.md: no #the-top-first",
        "solvers/gone.py: no solvers/none.py",
        "kernels/cuda/gone.cu: no none.cuh",
    ]


def test_dotted_names_in_prose_exist():
    assert prose.unknown_names(ROOT) == []


def test_a_name_that_does_not_exist_is_found(tree):
    base = (
        '"""`halfstep.solvers.base.Solver.fit`, `kernels.cpu`, halfstep.load."""\n'
        "from halfstep.solvers.parent import Parent\nA, B = 1, 2\n"
        "class Solver(Parent):\n    size: int = 1\n"
        "    def fit(self):\n        self.factors = 1\n"
    )
    root = tree(
        {
            "README.md": "`halfstep.SOLVERS`, halfstep.solvers.base.B,\n`python -m halfstep.kernels`, "
            "`halfstep.solvers.base.Solver.inherited`, `halfstep.solvers.base.Solver.factors`, "
            "`halfstep.Solver.size`, `model.fit`, `other.halfstep.none`, `bench.py`",
            "halfstep/__init__.py": "from halfstep.solvers.base import Solver\nSOLVERS: dict = {}\n"
            '_OFFERED = {"load": "datasets"}\n',
            "kernels/__init__.py": "",
            "kernels/cpu.py": "",
            "solvers/__init__.py": "",
            "solvers/base.py": base,
            "solvers/parent.py": "class Parent:\n    def inherited(self): ...\n",
        }
    )
    assert prose.unknown_names(root) == []
    tree(
        {
            "README.md": "halfstep.none `halfstep.solvers.base.C` `halfstep.Solver.none`",
            "docs/page.md": "`kernels.none` `halfstep.solvers.base.B.none`",
            "kernels/gpu.py": 'def f():\n    """See `solvers.gone` and halfstep.kernels.gone."""',
        }
    )
    assert prose.unknown_names(root) == [
        "README.md: no halfstep.none",
        "README.md: no halfstep.solvers.base.C",
        "README.md: no halfstep.Solver.none",
        "docs/page.md: no halfstep.solvers.base.B.none",
        "docs/page.md: no halfstep.kernels.none",
        "kernels/gpu.py: no halfstep.kernels.gone",
        "kernels/gpu.py: no halfstep.solvers.gone",
    ]
