"""The build backend: setuptools, with editable installs that type checkers and editors can follow.

setuptools would install this layout (folders at the top, import names under `halfstep`) by a hook that
only a running Python understands. Here the path gets a folder `.editable`, with a link to the package
and nothing else, so that `import datasets` does not find a folder of this repository. Where the system
has no links, setuptools' hook stays.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401  (what a build front end calls)
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

_ROOT = Path(__file__).resolve().parent


def build_editable(
    wheel_directory: str,
    config_settings: dict[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the editable wheel in `wheel_directory` and return its name; a given mode is kept."""
    asked = config_settings or {}
    folder = None if "editable_mode" in asked else _folder_of_links()
    if folder is not None:
        asked = {**asked, "editable_mode": "compat"}
    name: str = build_meta.build_editable(wheel_directory, asked, metadata_directory)
    if folder is not None:
        _lead(Path(wheel_directory) / name, folder)
    return name


def _folder_of_links() -> Path | None:
    folder = _ROOT / ".editable"
    link = folder / "halfstep"
    try:
        folder.mkdir(exist_ok=True)
        target = Path("..") / "halfstep"
        if link.is_symlink() and link.readlink() != target:
            link.unlink()
        if not link.is_symlink():
            link.symlink_to(target, target_is_directory=True)
    except OSError:
        return None
    # A checkout without links has files in their place.
    return folder if (link / "solvers").is_dir() else None


def _lead(wheel: Path, folder: Path) -> None:
    """Let the wheel's path file lead to `folder`."""
    with zipfile.ZipFile(wheel) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    (path_file,) = (name for name in members if name.endswith(".pth"))
    (record,) = (name for name in members if name.endswith(".dist-info/RECORD"))
    members[path_file] = f"{folder}\n".encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(members[path_file]).digest())
    line = f"{path_file},sha256={digest.rstrip(b'=').decode()},{len(members[path_file])}"
    lines = members[record].decode().splitlines()
    changed = [line if old.startswith(f"{path_file},") else old for old in lines]
    members[record] = ("\n".join(changed) + "\n").encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
