"""What is compiled is kept on disk, and nothing that happens to those files fails a call."""

import logging
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import halfstep
from halfstep import progress
from halfstep.kernels.compiled import cache, folders, telling
from halfstep.kernels.cpu.compile import compiled, compiled_in

ROOT = Path(halfstep.__file__).parent.parent


@pytest.fixture
def named(tmp_path, monkeypatch):
    """Set NUMBA_CACHE_DIR to a folder of the test; return the folder with the code."""
    monkeypatch.setattr(cache.config, "CACHE_DIR", str(tmp_path / "named"))
    monkeypatch.setattr(cache, "_warned", type(cache._warned)())
    return tmp_path / "named" / "halfstep"


@pytest.fixture
def only(monkeypatch):
    """Let there be only the given folders."""

    def these(*found):
        monkeypatch.setattr(cache, "folders", lambda source, named: iter(found))
        monkeypatch.setattr(cache, "_warned", type(cache._warned)())

    return these


def doubling():
    """Return a function that is not compiled yet, by a dispatcher of its own."""

    @compiled
    def doubled(a):
        return 2 * a

    return doubled


def test_a_second_process_finds_what_the_first_compiled(named):
    first, second = doubling(), doubling()
    assert first(3) == 6
    assert len(list(named.iterdir())) == 1
    assert second(3) == 6
    assert sum(second.stats.cache_hits.values()) == 1
    assert not sum(second.stats.cache_misses.values())


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: b"something else",
    ],
)
def test_a_damaged_file_is_replaced(named, damage):
    doubling()(3)
    (file,) = named.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    again = doubling()
    assert again(3) == 6
    assert not sum(again.stats.cache_hits.values())
    assert len(list(named.iterdir())) == 1
    third = doubling()
    assert third(3) == 6
    assert sum(third.stats.cache_hits.values()) == 1


def test_a_sound_file_that_cannot_be_unpickled_is_replaced(named):
    doubling()(3)
    (file,) = named.iterdir()
    file.unlink()
    assert cache._written(file, b"not a pickle") is None
    again = doubling()
    assert again(3) == 6
    assert not sum(again.stats.cache_hits.values())
    assert file.stat().st_size > 200


def test_types_processors_and_sources_have_files_of_their_own(named, monkeypatch):
    for argument in (3, 3.0, np.float32(3)):
        assert doubling()(argument) == 6
    assert len(list(named.iterdir())) == 3
    codegen = doubling().targetctx.codegen()
    monkeypatch.setattr(type(codegen), "magic_tuple", lambda self: ("another", "processor", ""))
    other = doubling()
    assert other(3) == 6
    assert not sum(other.stats.cache_hits.values())
    assert len(list(named.iterdir())) == 4
    monkeypatch.undo()
    monkeypatch.setattr(cache.config, "CACHE_DIR", str(named.parent))
    monkeypatch.setattr(cache, "_sources", lambda source: "0123456789")
    assert doubling()(3) == 6
    assert len(list(named.iterdir())) == 5


def test_code_from_other_sources_is_removed_beside_the_source(tmp_path, only, monkeypatch):
    only(folders.Folder(tmp_path, "beside the source"))
    for sources in ("aaaaaaaa", "bbbbbbbb"):
        monkeypatch.setattr(cache, "_sources", lambda source, made_from=sources: made_from)
        doubling()(3)
        doubling()(3.0)
    assert [path.name.split("-")[1] for path in tmp_path.iterdir()] == ["bbbbbbbb"] * 2


def test_a_folder_that_takes_nothing_is_passed_over(tmp_path, only, caplog):
    nonsense = tmp_path / "a file"
    nonsense.write_text("")
    only(
        folders.Folder(nonsense / "below", "NUMBA_CACHE_DIR"),
        folders.Folder(tmp_path / "good", "the user's"),
    )
    assert doubling()(3) == 6
    assert len(list((tmp_path / "good").iterdir())) == 1
    assert not caplog.records


def test_one_warning_says_what_to_set_where_nothing_can_be_kept(tmp_path, only, caplog):
    nonsense = tmp_path / "a file"
    nonsense.write_text("")
    only(folders.Folder(nonsense / "below", "NUMBA_CACHE_DIR"))
    with caplog.at_level(logging.WARNING):
        assert doubling()(3) == 6
        assert doubling()(3.0) == 6
    (record,) = caplog.records
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in record.getMessage()
    assert str(nonsense / "below") in record.getMessage()


def test_a_full_disk_warns_and_leaves_nothing(named, monkeypatch, caplog, only):
    only(folders.Folder(named, "NUMBA_CACHE_DIR"))

    def full(handle, mode):
        os.close(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "fdopen", full)
    with caplog.at_level(logging.WARNING):
        assert doubling()(3) == 6
    assert "No space left on device" in caplog.text
    assert not list(named.iterdir())


def test_code_is_read_where_nothing_can_be_written(tmp_path, only, monkeypatch):
    folder = folders.Folder(tmp_path, "beside the source")
    only(folder)
    doubling()(3)
    monkeypatch.setattr(folders.Folder, "refused", lambda self: "Read-only file system")
    again = doubling()
    assert again(3) == 6
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows's temporary folder is each user's own")
def test_the_temporary_folder_must_be_this_users_alone(tmp_path):
    mine = folders.Folder(tmp_path / "mine", "temporary")
    assert mine.refused() is None
    assert stat.S_IMODE(mine.path.stat().st_mode) == 0o700
    link = folders.Folder(tmp_path / "link", "temporary")
    link.path.symlink_to(mine.path)
    assert link.refused() == "it is not this user's alone"
    assert not link.readable()
    mine.path.chmod(0o770)
    assert mine.refused() == "it is not this user's alone"
    assert not mine.readable()


def test_code_in_a_temporary_folder_of_others_is_never_read(tmp_path, only):
    folder = folders.Folder(tmp_path / "shared", "temporary")
    only(folder)
    doubling()(3)
    assert len(list(folder.path.iterdir())) == 1
    folder.path.chmod(0o777)
    again = doubling()
    assert again(3) == 6
    assert not sum(again.stats.cache_hits.values())


def test_the_folders_stand_in_order_and_a_home_is_not_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = str(tmp_path / "loops.py")
    kinds = [folder.kind for folder in folders.folders(source, "named")]
    assert kinds == ["NUMBA_CACHE_DIR", "beside the source", "the user's", "temporary"]
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setenv("LOCALAPPDATA", "")
    assert [folder.kind for folder in folders.folders(source)] == ["beside the source", "temporary"]


# What is imported before the change of user may lie where only root can read.
PROGRAM = """
import os, sys
import numba, numpy as np, scipy.sparse as sparse
numba.njit(nogil=True)(lambda a: a[0])(np.ones(1))
from halfstep.kernels.sparse.transpose import transpose
os.setgid(65534); os.setuid(65534)
matrix = sparse.random(30, 20, 0.3, "csr", random_state=0, dtype=np.float32)
print(transpose(matrix.indptr, matrix.indices, matrix.data, 20, np.float32, 1)[1].sum())
"""


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become another user"
)
def test_a_user_without_a_home_runs_a_read_only_install(tmp_path):
    installed, room = tmp_path / "installed", tmp_path / "room"
    package = installed / "halfstep"
    # The folders at the repository's top are links in the package: a copy has what they lead to.
    shutil.copytree(ROOT / "halfstep", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (installed, *installed.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    room.mkdir()
    room.chmod(0o777)
    for parent in (tmp_path, *tmp_path.parents[:-1]):
        if parent.stat().st_mode & 0o055 != 0o055:
            parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PATH": os.environ["PATH"], "TMPDIR": str(room), "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    assert done.stderr.count("NUMBA_CACHE_DIR") == 1
    assert str(package / "kernels" / "sparse" / "__pycache__") in done.stderr
    assert len(list(room.glob("halfstep-65534/*.compiled"))) == 2


def test_the_progress_line_says_that_something_is_compiled(named, monkeypatch):
    lines = []

    class Line:
        def __enter__(self):
            lines.append("begun")

        def __exit__(self, *error):
            lines.append("ended")

    def stage(description, show):
        lines.append((description, show))
        return Line()

    monkeypatch.setattr(telling, "stage", stage)
    monkeypatch.setattr(telling, "showing", lambda: True)
    slow = compiled_in(7)(doubling().py_func)
    slow(3)
    assert lines == [("compiling (once, about 7 s)", True), "begun", "ended"]
    slow(3)
    compiled_in(7)(slow.py_func)(3)
    assert len(lines) == 3  # the second one is read from the disk


def test_a_line_is_shown_inside_other_progress_and_in_commands_only(monkeypatch):
    with progress.hidden():
        assert not progress.showing()
        with progress.shown():
            assert progress.showing()
        monkeypatch.setattr(progress._screen, "tasks", (object(),))
        assert progress.showing()
