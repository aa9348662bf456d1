"""What the CUDA compiler makes of a kernel, found out without a GPU or a driver.

NVRTC compiles for any architecture, here with the options that CuPy adds, and reports registers, spills,
stack and static shared memory of every kernel; the disassembler shows the width of its loads.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ARCHITECTURES = (75, 80, 90, 120)
# CuPy's RawModule adds the first two of these and the architecture to the options of its caller.
_OPTIONS = ("-ftz=true", "--device-as-default-execution-space", "-std=c++17", "--ptxas-options=-v")


class CompileError(RuntimeError):
    """NVRTC refuses a source; the message is the log of the compiler."""


@dataclass(frozen=True)
class Compiled:
    """One kernel for one architecture.

    Attributes
    ----------
    registers
        Registers a thread.
    shared
        Bytes of static shared memory a block.
    stack
        Bytes of stack a thread.
    spills
        Bytes of spill stores and spill loads together.
    barriers
        Number of hardware barriers in use.
    instructions
        How often each memory or shuffle instruction occurs in the code, with its width in bits:
        `{"LDG.128": 8, ...}`; empty without the disassembler.
    """

    registers: int
    shared: int = 0
    stack: int = 0
    spills: int = 0
    barriers: int = 0
    instructions: dict[str, int] = field(default_factory=dict)


def why_not() -> str | None:
    """Return the reason why nothing can be compiled here and what to install, or None."""
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except Exception as error:  # the first call reports a missing library, by various errors
        return (
            f"NVRTC cannot be used ({error}): "
            "pip install cuda-bindings nvidia-cuda-nvrtc nvidia-cuda-runtime"
        )
    return None


def nvrtc_version() -> str:
    """Return the version of NVRTC."""
    from cuda.bindings import nvrtc

    return ".".join(map(str, _checked(nvrtc.nvrtcVersion())))


def compile_kernels(
    source: str,
    name: str,
    architecture: int,
    defines: Sequence[str] = (),
    templates: Sequence[str] = (),
    include: Path | None = None,
) -> dict[str, Compiled]:
    """Compile CUDA C++ and return the compiled kernels by name.

    Parameters
    ----------
    source, name
        Text of a `.cu` file, and its name in messages.
    architecture
        90 for sm_90.
    defines
        Definitions `NAME=value`, as after `-D`.
    templates
        Name expressions of template kernels, as CuPy takes them.
    include
        Folder of the headers that the source includes.

    Raises
    ------
    CompileError
        The source does not compile.
    """
    cubin, text, names = _cubin(source, name, architecture, defines, templates, include)
    return _compiled(text, names, _listing(cubin))


@cache
def compile_listed(
    source: str, name: str, architecture: int, defines: tuple[str, ...] = ()
) -> tuple[dict[str, Compiled], str]:
    """Return what `compile_kernels` does, and the disassembler's listing, "" without one; kept."""
    cubin, text, names = _cubin(source, name, architecture, defines, (), None)
    listing = _listing(cubin)
    return _compiled(text, names, listing), listing


def _compiled(log: str, names: dict[str, str], listing: str) -> dict[str, Compiled]:
    """Return the kernels that the compiler's log and the listing speak of."""
    instructions = _instructions(listing)
    return {
        names.get(kernel, kernel): Compiled(**facts, instructions=instructions.get(kernel, {}))
        for kernel, facts in _facts(log).items()
    }


def _cubin(
    source: str,
    name: str,
    architecture: int,
    defines: Sequence[str],
    templates: Sequence[str],
    include: Path | None,
) -> tuple[bytes, str, dict[str, str]]:
    """Return the compiled code, the compiler's log, and the template of each lowered name."""
    from cuda.bindings import nvrtc

    program = _checked(nvrtc.nvrtcCreateProgram(source.encode(), name.encode(), 0, [], []))
    for template in templates:
        _checked(nvrtc.nvrtcAddNameExpression(program, template.encode()))
    folders = [*([include] if include else []), *_headers()]
    options = [
        *_OPTIONS,
        f"-arch=sm_{architecture}",
        *(f"-D{define}" for define in defines),
        *(f"-I{folder}" for folder in folders),
    ]
    encoded = [option.encode() for option in options]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(encoded), encoded)
    log = b" " * _checked(nvrtc.nvrtcGetProgramLogSize(program))
    _checked(nvrtc.nvrtcGetProgramLog(program, log))
    text = log.decode(errors="replace").rstrip(" \0")
    if int(status):
        raise CompileError(text)
    cubin = b" " * _checked(nvrtc.nvrtcGetCUBINSize(program))
    _checked(nvrtc.nvrtcGetCUBIN(program, cubin))
    names = {
        _checked(nvrtc.nvrtcGetLoweredName(program, t.encode())).decode(): t for t in templates
    }
    _checked(nvrtc.nvrtcDestroyProgram(program))
    return cubin, text, names


def _facts(log: str) -> dict[str, dict[str, int]]:
    found = {}
    for part in re.split(r"Compiling entry function '", log)[1:]:
        kernel = part.split("'", 1)[0]
        # The properties of functions that were not inlined follow those of the kernel.
        found[kernel] = {
            "registers": _number(r"Used (\d+) registers", part),
            "shared": _number(r"(\d+) bytes smem", part),
            "stack": _number(r"(\d+) bytes stack frame", part),
            "spills": sum(map(int, re.findall(r"(\d+) bytes spill", part))),
            "barriers": _number(r"used (\d+) barriers", part),
        }
    return found


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


_INSTRUCTION = re.compile(r"\b(LDG|STG|LDS|STS|LDL|STL|ATOMS|ATOMG|RED|SHFL|LDGSTS|HMMA)\b([.\w]*)")


def _listing(cubin: bytes) -> str:
    program = _disassembler()
    if program is None:
        return ""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        return subprocess.run(
            [program, "-c", file.name], capture_output=True, text=True, check=True
        ).stdout


def _instructions(listing: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for section in re.split(r"^\.text\.", listing, flags=re.MULTILINE)[1:]:
        kernel = section.split(":", 1)[0]
        counts: Counter[str] = Counter()
        for kind, details in _INSTRUCTION.findall(section):
            width = re.search(r"\.(128|64|U?16|U?8)\b", details)
            plain = kind in ("SHFL", "HMMA", "RED", "ATOMS", "ATOMG")
            counts[kind if plain else f"{kind}.{width[1] if width else 32}"] += 1
        found[kernel] = dict(sorted(counts.items()))
    return found


def _disassembler() -> str | None:
    on_path = shutil.which("nvdisasm")
    if on_path:
        return on_path
    beside = [folder.parent / "bin" / "nvdisasm" for folder in _headers()]
    return next((str(p) for p in beside if p.exists()), None)


def _headers() -> list[Path]:
    """Return the include folders of the CUDA packages from PyPI."""
    try:
        spec = importlib.util.find_spec("nvidia.cu13")
    except ModuleNotFoundError:
        return []
    places = spec.submodule_search_locations if spec else None
    return [Path(place) / "include" for place in places or ()]


def _checked(result: tuple[Any, ...]) -> Any:
    status, *values = result
    if int(status):
        raise CompileError(f"NVRTC: {status}")
    return values[0] if len(values) == 1 else tuple(values)
