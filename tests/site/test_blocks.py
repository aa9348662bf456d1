"""The code blocks of the site's pages do what the pages show; and what runs them finds what is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from blocks import RUN, BadPage, blocks_of, commands_of

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).resolve().parent / "page_run.py"
# README.md has blocks, too: `tests/house/test_pages.py` runs them.
PLACES = (
    *("docs/index.md", "docs/guide.md", "docs/side-information.md"),
    *("docs/how-to/**/*.md", "docs/ladder/**/*.md"),
    *("docs/reference/**/*.md", "docs/explanation/**/*.md"),
)
PAGES = [page.relative_to(ROOT).as_posix() for place in PLACES for page in sorted(ROOT.glob(place))]


def run(page, *options):
    return subprocess.run(
        [sys.executable, str(RUNNER), *options, str(page)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


@pytest.mark.site
@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_do_what_it_shows(page):
    from halfstep.solvers import choose

    if not any(block.runs for block in blocks_of((ROOT / page).read_text(encoding="utf-8"))):
        pytest.skip("no blocks, or each says why it is not run")
    if choose("auto").device == "gpu":
        pytest.skip("a GPU rung would fit; the pages show the CPU's")
    done = run(ROOT / page)
    assert done.returncode == 0, done.stdout


@pytest.mark.site
@pytest.mark.parametrize("page", PAGES)
def test_each_block_of_a_page_is_run_or_says_why_not(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    fences = re.findall(rf"^[ >]*[`~:]{{3,}} *(?:{'|'.join(RUN)})\b", text, re.MULTILINE)
    found = [block for block in blocks_of(text) if block.language in RUN]
    assert len(found) == len(fences)
    assert all(block.runs or block.reason for block in found)


SOUND = """\
# A page

```python
def double(x):
    return 2 * x


print(double(4))
```

```text
8
```

::::{tab-set}
:::{tab-item} Command line
```console
$ cat > twice.py <<'EOF'
print("twice")
EOF
$ python \\
      twice.py
twice

$ echo "took 0.3 s    end"; echo $PWD/x.npz
took 12.5 s end
x.npz
```
:::
:::{tab-item} Python
```python
print(double(5), __name__)
```
```text
10 __main__
```
:::
::::

* A list

  ```console
  $ seq 4
  1
  ...
  4
  $ exit 3  # exit code 3
  ```

```pycon
>>> double(6)
12
```

<!-- not run: needs a cluster -->

```python
nothing.here()
```

```bash
false
```

````markdown
```python
not_a_block()
```
````
"""


def test_blocks_are_found_where_they_are():
    found = blocks_of(SOUND)
    languages = ["python", "console", "python", "console", "pycon", "python", "bash", "markdown"]
    assert [block.language for block in found] == languages
    assert [block.runs for block in found] == [True] * 5 + [False] * 3
    assert found[5].reason == "needs a cluster"
    assert found[0].prints.text == "8\n"
    assert found[0].text.splitlines()[0] == SOUND.splitlines()[found[0].line - 1]
    assert found[3].text.startswith("$ seq 4\n1\n")
    commands = commands_of(found[1].text)
    assert [command.text.splitlines()[0] for command in commands] == [
        "cat > twice.py <<'EOF'", "python \\", 'echo "took 0.3 s    end"; echo $PWD/x.npz'
    ]  # fmt: skip
    assert commands[1].shown == ["twice", ""]


def test_a_page_that_shows_what_happens_passes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(SOUND)
    done = run(page)
    assert done.returncode == 0, done.stdout
    assert done.stdout == ""


def test_a_page_gets_the_package_of_this_checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    page = tmp_path / "page.md"
    say = "import emulator, halfstep; print(halfstep.__file__)"
    page.write_text(
        f"```python\n{say}\n```\n```text\n{ROOT}/halfstep/__init__.py\n```\n"
        f"```console\n$ python -c '{say}'\n{ROOT}/halfstep/__init__.py\n```\n"
    )
    done = run(page)
    assert done.returncode == 0, done.stdout


WRONG = {
    "output of Python": "```python\nprint(1)\n```\n```text\n2\n```\n",
    "Python that raises": "```python\n1 / 0\n```\n",
    "Python that exits": "```python\nraise SystemExit\n```\n",
    "output of a command": "```console\n$ echo one\ntwo\n```\n",
    "output that is not shown": "```console\n$ echo one\n```\n",
    "output that does not come": "```console\n$ true\none\n```\n",
    "a missing command": "```console\n$ no-such-command\n...\n```\n",
    "a code that nothing shows": "```console\n$ exit 2\n```\n",
    "another code": "```console\n$ exit 2  # exit code 1\n```\n",
    "a code that does not come": "```console\n$ true  # exit code 2\n```\n",
    "doctest": "```pycon\n>>> 1 + 1\n3\n```\n",
    "a name of another page": "```python\nprint(double)\n```\n",
    "no command": "```console\nhalfstep doctor\n```\n",
    "a here-document without end": "```console\n$ cat <<'EOF'\none\n```\n",
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_page_fails(what, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(WRONG[what])
    done = run(page)
    assert done.returncode == 1
    assert "page.md:" in done.stdout


def test_an_error_that_the_page_shows_passes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo no such file; exit 2\nno such file\n```\n")
    assert run(page).returncode == 0


@pytest.mark.parametrize(
    "page",
    [
        "<!-- not run: -->\n```python\n1\n```\n",
        "% not run:   \n```python\n1\n```\n",
        "<!-- not run -->\n```python\n1\n```\n",
        "<!-- not run: it is long -->\nAnd words.\n```python\n1\n```\n",
        "<!-- not run: nothing follows -->\n",
        "<!-- needs: -->\n```python\n1\n```\n",
        "<!-- needs: numpy -->\nAnd words.\n```python\n1\n```\n",
        "```python\n1\n",
    ],
)
def test_what_is_not_run_needs_a_reason_and_a_block(page):
    with pytest.raises(BadPage):
        blocks_of(page)


@pytest.mark.parametrize(("module", "runs"), [("numpy", True), ("no_such_module", False)])
def test_a_block_that_needs_a_module_is_run_where_it_is(module, runs):
    (block,) = blocks_of(f"<!-- needs: {module} -->\n\n```python\n1\n```\n")
    assert block.runs == runs
    assert block.reason == ("" if runs else f"needs {module}")


def test_a_page_can_be_filled_with_what_is_printed(tmp_path):
    page = tmp_path / "page.md"
    sound = "  ```console\n  $ echo one\n  one\n\n  $ echo two\n  two\n  ```\n"
    page.write_text(sound.replace("one\n\n", "1\n\n").replace("  two\n", ""))
    assert run(page, "--write").returncode == 1
    assert page.read_text() == sound
    assert run(page).returncode == 0


@pytest.mark.parametrize(
    ("printed", "passes"),
    [("0.2041", True), ("0.2043", True), ("0.2104", False), ("0.20", False), ("nan", False)],
)
def test_a_fraction_may_be_rounded_otherwise(printed, passes, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        f"# Page\n\n```python\nprint('NDCG', '{printed}')\n```\n\n```text\nNDCG 0.2041\n```\n"
    )
    assert (run(page).returncode == 0) == passes


@pytest.mark.parametrize(("printed", "passes"), [("7 items", True), ("8 items", False)])
def test_a_whole_number_may_not(printed, passes, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n```python\nprint('{printed}')\n```\n\n```text\n7 items\n```\n")
    assert (run(page).returncode == 0) == passes
