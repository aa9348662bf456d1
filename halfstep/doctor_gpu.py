"""What Python can see of a GPU: driver, CUDA, CuPy, its compiler, the device and its memory."""

from __future__ import annotations

from typing import Any

from halfstep.kernels.gpu_guard import driver_cuda, installed, one_line, tried, why_no_gpu


def gpu_facts() -> dict[str, str]:
    """Return each fact by its name; a fact that cannot be found out is the reason why not."""
    driver = driver_cuda()
    facts = {"CUDA of the driver": f"{driver[0]}.{driver[1]}" if driver else "no NVIDIA driver"}
    reason = why_no_gpu()
    try:
        import cupy
    except Exception as error:
        facts["CuPy"] = f"cannot be imported: {one_line(error)}" if installed() else "not installed"
    else:
        facts["CuPy"] = f"{cupy.__version__} ({' and '.join(installed()) or 'from source'})"
        facts["CUDA of CuPy"] = _said(lambda: _version(cupy.cuda.runtime.runtimeGetVersion()))
        facts["NVRTC"] = _said(lambda: ".".join(map(str, cupy.cuda.nvrtc.getVersion())))
        if reason is None:
            facts["device"] = _said(lambda: _device(cupy))
            facts["device memory"] = _said(lambda: _memory(cupy))
    facts["GPU from Python"] = f"no: {reason}" if reason else "yes"
    return facts


def _said(question: Any) -> str:
    answer, error = tried(question)
    return error or str(answer)


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _device(cupy: Any) -> str:
    runtime = cupy.cuda.runtime
    count = runtime.getDeviceCount()
    properties = runtime.getDeviceProperties(runtime.getDevice())
    name = properties["name"]
    text = name.decode() if isinstance(name, bytes) else str(name)
    architecture = f"sm_{properties['major']}{properties['minor']}"
    others = "" if count == 1 else f", the first of {count}"
    return f"{text}, {architecture}, {properties['multiProcessorCount']} multiprocessors{others}"


def _memory(cupy: Any) -> str:
    free, total = cupy.cuda.runtime.memGetInfo()
    return f"{free / 1e9:.1f} GB free of {total / 1e9:.1f} GB"
