"""From a `.cu` file to a shared library, kept on disk under a name made of all that went into it."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

RUNTIME = Path(__file__).parent / "runtime"
INCLUDE = RUNTIME / "include"
# With the sanitizers optimisation takes ten times as long as it saves, and so it does with a mutation,
# whose library runs once.
SANITIZERS = {
    "": ("-O1",),
    "address": (
        "-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize=vptr",
        "-fno-sanitize-recover=null,alignment",  # the device stops there, too
    ),
    "thread": ("-O0", "-g", "-fsanitize=thread", "-DCUEMU_TSAN"),
}  # fmt: skip
_ONCE = ("-O0",)
# The scheduler is not what is watched for races: it only tells the sanitizer who waits for whom.
_UNWATCHED = "-fno-sanitize=thread"
# As on the device: no contraction that the source does not ask for; what is not initialised is a
# pattern that no calculation survives.
FLAGS = ("-std=c++17", "-fPIC", "-w", "-ffp-contract=off", "-ftrivial-auto-var-init=pattern")


class EmulatorError(RuntimeError):
    """A kernel that does not compile, a launch that does not fit it, or an error while it ran."""


def compiler() -> str | None:
    """Return the C++ compiler: `CXX`, or g++."""
    return shutil.which(os.environ.get("CXX", "g++"))


@functools.cache
def why_not() -> str | None:
    """Return why the emulator cannot run here, or None."""
    found = compiler()
    if found is None:
        return "g++ is not installed: the emulator compiles CUDA kernels with it"
    probe = "using half = _Float16; half f(float x) { return (half)x; }"
    command = [found, "-std=c++17", "-ftrivial-auto-var-init=pattern", "-x", "c++", "-c", "-"]
    done = subprocess.run(
        [*command, "-o", os.devnull], input=probe, capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else f"{found} is older than g++ 12: {done.stderr.strip()}"


def cache_folder() -> Path:
    """Return the folder of compiled objects; `HALFSTEP_EMULATOR_CACHE` names another one."""
    named = os.environ.get("HALFSTEP_EMULATOR_CACHE")
    folder = (
        Path(named) if named else Path(tempfile.gettempdir()) / f"halfstep-emulator-{os.getuid()}"
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
_DYNAMIC = re.compile(
    r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\(\d+\)\s*)?([\w:<>\s]+?)\s*\b(\w+)\s*\[\s*\]\s*;"
)
_STATIC = re.compile(
    r"__shared__\s+(?:(?:__align__|alignas)\s*\(\w+\)\s*)?([\w:<>]+(?:\s+(?:int|long|char|short))*)\s+"
    r"([^;()=]+);"
)
_DECLARATOR = re.compile(r"(\w+)\s*((?:\[[^\]]*\]\s*)*)$")


def translate(text: str, path: str = "") -> str:
    """Return CUDA C++ with its shared arrays as macros of the emulator; every line stays a line.

    Raises
    ------
    EmulatorError
        A declaration of shared memory that this does not understand.
    """
    # Comments go, their line ends stay: a comment may speak of shared memory too.
    text = _COMMENT.sub(
        lambda m: m[0] if m[0].startswith('"') else "\n" * m[0].count("\n") or " ", text
    )
    text = _DYNAMIC.sub(r"CUEMU_DYNAMIC(\1, \2);", text)
    text = _STATIC.sub(lambda m: _statics(m, path), text)
    for number, line in enumerate(text.splitlines(), 1):
        if "__shared__" in line and not line.lstrip().startswith("#"):
            raise EmulatorError(f"{path}:{number}: cannot translate {line.strip()!r}")
    return text


def _statics(declaration: re.Match[str], path: str) -> str:
    kind, names = declaration[1], declaration[2]
    arrays = []
    for name in names.split(","):
        found = _DECLARATOR.fullmatch(name.strip())
        if found is None:
            raise EmulatorError(f"{path}: cannot translate {declaration[0]!r}")
        arrays.append(f"CUEMU_STATIC({kind}, {found[1]}, {found[2].strip()});")
    return " ".join(arrays) + "\n" * declaration[0].count("\n")


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmulatorError(f"{command[0]} fails:\n{done.stderr}")
    return done.stdout


def _write(path: Path, text: str) -> None:
    """Write a file that another process may be looking for: whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text)
    os.replace(part, path)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


@functools.cache
def _emulator_text() -> str:
    files = [Path(__file__), *(p for p in sorted(RUNTIME.rglob("*")) if p.is_file())]
    return "".join(p.read_text() for p in files)


def _compiled(name: str, arguments: list[str]) -> Path:
    """Compile to a file of that name, unless it is there; never seen half written."""
    target = cache_folder() / name
    if not target.exists():
        target.parent.mkdir(exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as part:
            pass
        try:
            _run([compiler() or "g++", *FLAGS, *arguments, "-o", part.name])
            os.replace(part.name, target)
        finally:
            Path(part.name).unlink(missing_ok=True)
    return target


def runtime(sanitizer: str = "") -> Path:
    """Return the library that schedules fibers, which every kernel's library needs loaded."""
    flags = SANITIZERS[sanitizer]
    key = _digest(_emulator_text(), FLAGS, flags, compiler())
    sources = [str(p) for p in sorted(RUNTIME.glob("*.cpp"))]
    folders = [f"-I{INCLUDE}", f"-I{RUNTIME}"]
    return _compiled(f"runtime-{key}.so", ["-shared", *flags, _UNWATCHED, *folders, *sources])


def _headers(flags: tuple[str, ...]) -> Path:
    """Return a folder with the emulator's header precompiled: half of what a kernel's library costs."""
    key = _digest(_emulator_text(), FLAGS, flags, compiler())
    arguments = [*flags, f"-I{INCLUDE}", "-x", "c++-header", str(INCLUDE / "cuemu.hpp")]
    return _compiled(f"headers-{key}/cuemu.hpp.gch", arguments).parent


_INCLUDE = re.compile(r'^\s*#\s*include\s+"([\w.]+)"', re.MULTILINE)


def sources(path: Path, texts: dict[str, str]) -> dict[str, str]:
    """Return the file and those of the headers that it includes, translated, by name."""
    found: dict[str, str] = {}
    wanted = [path.name]
    while wanted:
        name = wanted.pop()
        places = [at for at in (path.parent / name, path.parent.parent / name) if at.exists()]
        if name not in found and (name in texts or places):
            text = texts[name] if name in texts else places[0].read_text()
            found[name] = translate(text, name)
            wanted += _INCLUDE.findall(text)
    return dict(sorted(found.items()))


_KERNEL = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(\w+)\s*\(')


def library(
    path: Path,
    defines: tuple[str, ...] = (),
    templates: tuple[str, ...] = (),
    sanitizer: str = "",
    texts: tuple[tuple[str, str], ...] = (),
) -> tuple[Path, dict[str, str]]:
    """Return a kernel file's library, and the symbol of each kernel in it.

    Parameters
    ----------
    path
        The `.cu` file; headers (`.cuh`) are looked for beside it, then in the folder above.
    defines
        `NAME=value` or `NAME`, as after `-D`.
    templates
        Kernels that are template instances, as CuPy's name expressions: `"scale<float>"`. Those
        declared `extern "C"` are found.
    sanitizer
        A key of `SANITIZERS`.
    texts
        (name, text) pairs: what to take in place of a file's content, or of a header's.
    """
    translated = sources(path, dict(texts))
    folder = cache_folder() / f"source-{_digest(translated)}"
    if not folder.exists():
        fresh = Path(tempfile.mkdtemp(dir=cache_folder()))
        for name, source in translated.items():
            (fresh / name).write_text(source)
        try:
            os.rename(fresh, folder)
        except OSError:  # another process was first
            shutil.rmtree(fresh)
    macros = "".join(f"#define {d.replace('=', ' ', 1)}\n" for d in defines)
    once = _ONCE if any(name in translated for name, _ in texts) else ()
    flags = (*SANITIZERS[sanitizer], *once)
    key = _digest(translated, macros, templates, flags, FLAGS, _emulator_text(), compiler())
    symbols = _kernels(folder / path.name, macros, key)
    symbols |= {name: f"t{_digest(name)}" for name in templates}
    exports = "".join(f"CUEMU_EXPORT({symbol}, {name})\n" for name, symbol in symbols.items())
    unit = cache_folder() / f"unit-{key}.cpp"
    if not unit.exists():
        _write(unit, f'#include "cuemu.hpp"\n{macros}#include "{folder / path.name}"\n{exports}')
    folders = [f"-I{_headers(flags)}", f"-I{INCLUDE}"]
    return _compiled(f"kernels-{key}.so", ["-shared", *flags, *folders, str(unit)]), symbols


def _kernels(path: Path, macros: str, key: str) -> dict[str, str]:
    """Return the `extern "C"` kernels that are there under these definitions."""
    listed = cache_folder() / f"kernels-{key}.txt"
    if not listed.exists():
        unit = cache_folder() / f"scan-{key}-{os.getpid()}.cpp"
        unit.write_text(
            f'#define CUEMU 1\n#define __launch_bounds__(...)\n{macros}#include "{path}"\n'
        )
        seen = _run([compiler() or "g++", *FLAGS, f"-I{INCLUDE}", "-E", "-P", str(unit)])
        unit.unlink()
        _write(listed, "\n".join(dict.fromkeys(_KERNEL.findall(seen))))
    return {name: name for name in listed.read_text().split()}
