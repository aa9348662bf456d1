"""The workflows can be read, name what exists, and may do no more than they must."""

import re
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="the extra `test` brings PyYAML, by dask")

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# With settings before it, or not; what a comment or `echo` says is no command.
_MAKE = re.compile(r"^\s*(?:\w+=(?:\$\([^)]*\)|\S*) +)*make +([^\n#\\]*)", re.MULTILINE)
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
# What a job may have besides reading, by its name.
MORE = {"deploy": {"pages", "id-token"}, "publish": {"id-token"}}


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def workflow(request):
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands(text):
    """Return the targets that commands make, without their settings."""
    found = []
    for words in _MAKE.findall(text):
        found += re.findall(r"(?<![\w=\"./-])[a-z][a-z-]*(?=\s|$)", re.sub(r'"[^"]*"', "", words))
    return found


def targets():
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_are_workflows_for_tests_and_pages():
    assert {"tests", "pages"} <= {file.stem for file in FILES}


def test_tests_run_on_three_systems_and_five_pythons():
    jobs = yaml.safe_load((FOLDER / "tests.yml").read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": PYTHONS,
    }
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r"Python :: (3\.\d+)", project) == PYTHONS
    assert f'requires-python = ">={PYTHONS[0]}"' in project


def test_jobs_are_whole_and_end(workflow):
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90, name
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"]), name
    for step in steps(workflow):
        assert ("uses" in step) != ("run" in step), step


def test_actions_are_of_a_major_version(workflow):
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"]), step["uses"]


def test_permissions_are_the_least(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert set(job.get("permissions", {})) == MORE.get(name, set()), name


def test_what_is_made_can_be_made(workflow):
    made = [target for step in steps(workflow) for target in commands(step.get("run", ""))]
    assert set(made) <= targets()


def test_what_ci_makes_can_be_made():
    made = commands((ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert {"check", "test", "site-check"} <= set(made) <= targets()


def test_targets_are_found_in_commands():
    text = 'make check\n  make soak SHARE=0.1 ARGS="tests/faults x"\n'
    text += "X=1 Y=$(w z) make a b # make c\necho make d\n"
    assert commands(text) == ["check", "soak", "a", "b"]
