"""`implicit`'s CUDA module, and in words why it is not there: it says little, or nothing, itself.

* It needs RMM, of the version it was built with: another one's symbols do not fit.
* Its wheels have no search path for the CUDA libraries: they are loaded first, where `cuda-pathfinder`
  finds them.
* `import implicit` alone already decides whether there is CUDA; where that came before the libraries
  were loaded, its `implicit.gpu` is executed again.
"""

from __future__ import annotations

import importlib
import warnings
from importlib import metadata
from typing import Any

_LIBRARIES = ("cudart", "cublasLt", "cublas", "curand")
_RMM = 'pip install "rmm-cu13==26.2.*" "librmm-cu13==26.2.*"'
_CUDA = "pip install nvidia-cuda-runtime nvidia-cublas nvidia-curand cuda-pathfinder"


def cuda_backend() -> tuple[Any, str]:
    """Return implicit's CUDA module, or None and the reason why it cannot work."""
    loaded = load_libraries()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            gpu = importlib.import_module("implicit.gpu")
            if loaded and not gpu.HAS_CUDA:
                gpu = importlib.reload(gpu)
        except Exception as error:
            return None, f"implicit.gpu cannot be imported: {error}"
    if gpu.HAS_CUDA:
        return gpu, ""
    return None, f"implicit has no CUDA here: {explain(_error())}"


def load_libraries() -> bool:
    """Load the CUDA libraries that implicit needs; True when all of them were found."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        return False
    for library in _LIBRARIES:
        try:
            load_nvidia_dynamic_lib(library)
        except Exception:  # what is missing shows in implicit's own error, with its name
            return False
    return True


def explain(error: str) -> str:
    """Return what an error of implicit's CUDA extension means and the command that mends it."""
    if "No module named 'rmm" in error or "librmm" in error or "rapids_logger" in error:
        return f"it finds no RMM ({error}): {_RMM}"
    if "undefined symbol" in error:
        return (
            f"RMM {_version('rmm-cu13')} is not the one that implicit {_version('implicit')} was "
            f"built with, 26.2 ({error}): {_RMM}"
        )
    if "cannot open shared object file" in error:
        return f"a CUDA 13 library is missing or not found ({error}): {_CUDA}"
    if "No module named 'implicit.gpu._cuda" in error:
        return (
            "this build of implicit has no CUDA extension: pip install --force-reinstall "
            "--only-binary implicit implicit (its wheels for Linux have one)"
        )
    return f"its CUDA extension finds no device ({error or 'without a reason'})"


def _error() -> str:
    """Return what importing the extension, or counting devices with it, says."""
    try:
        importlib.import_module("rmm")
        importlib.import_module("implicit.gpu._cuda").get_device_count()
    except Exception as error:
        return " ".join(str(error).split())
    return ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of an unknown version"
