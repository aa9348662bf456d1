"""Computers on which the doctor is asked about GPUs, and what it says of each."""

from types import SimpleNamespace


class CUDARuntimeError(RuntimeError):
    pass


class DynamicLibNotFoundError(RuntimeError):
    pass


class CompileException(Exception):
    pass


def raising(error):
    def question(*arguments):
        raise error

    return question


def cupy(**wrong):
    """A CuPy on a machine with one device, but for what is wrong."""
    properties = {"name": b"NVIDIA H200", "major": 9, "minor": 0, "multiProcessorCount": 132}
    runtime = {
        "getDeviceCount": lambda: 1,
        "getDevice": lambda: 0,
        "getDeviceProperties": lambda ordinal: properties,
        "memGetInfo": lambda: (140_000_000_000, 150_100_000_000),
        "runtimeGetVersion": lambda: 13020,
    }

    class RawModule:
        def __init__(self, code, options):
            assert "cuda_fp16.h" in code
            assert "cuda_bf16.h" in code

        compile = wrong.get("compile", lambda self: None)

    return SimpleNamespace(
        __version__=wrong.get("version", "14.2.0"),
        RawModule=RawModule,
        cuda=SimpleNamespace(
            is_available=wrong.get("is_available", lambda: True),
            nvrtc=SimpleNamespace(getVersion=wrong.get("getVersion", lambda: (13, 0))),
            runtime=SimpleNamespace(**{k: wrong.get(k, v) for k, v in runtime.items()}),
        ),
    )


NO_DRIVER = CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
NO_DEVICE = CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
NO_HEADER = 'cannot open source file "cuda_fp16.h"\n1 catastrophic error'
CASES = {
    "CuPy is absent": (
        {"module": None, "distributions": (), "driver": None},
        'CuPy is not installed: pip install "halfstep[cuda13]" with an NVIDIA driver',
    ),
    "absent beside an older driver": (
        {"module": None, "distributions": (), "driver": (12, 4)},
        'CuPy is not installed: pip install "halfstep[cuda12]" with an NVIDIA driver',
    ),
    "installed and broken": (
        {"module": None},
        "cupy-cuda13x cannot be imported (import of cupy halted; None in sys.modules): "
        'pip uninstall cupy-cuda13x; pip install "halfstep[cuda13]"',
    ),
    "no driver, 14": (
        {"module": cupy(is_available=lambda: False), "driver": None},
        "cupy-cuda13x finds no CUDA device (no NVIDIA driver: install one from nvidia.com or your "
        "distribution)",
    ),
    "no driver, 13 raises": (
        {"module": cupy(is_available=raising(NO_DRIVER)), "driver": None},
        "cupy-cuda13x finds no CUDA device (no NVIDIA driver: install one from nvidia.com or your "
        "distribution)",
    ),
    "driver too old": (
        {"module": cupy(is_available=raising(NO_DRIVER)), "driver": (12, 4)},
        "cupy-cuda13x finds no CUDA device (the driver is for CUDA 12.4: update it, or "
        'pip uninstall cupy-cuda13x; pip install "halfstep[cuda12]")',
    ),
    "no device": (
        {"module": cupy(is_available=lambda: False, getDeviceCount=raising(NO_DEVICE))},
        "cupy-cuda13x finds no CUDA device (cudaErrorNoDevice: no CUDA-capable device is detected: "
        "nvidia-smi says what the driver sees)",
    ),
    "no compiler": (
        {"module": cupy(getVersion=raising(DynamicLibNotFoundError("nvrtc\nnot found")))},
        "cupy-cuda13x finds no compiler, NVRTC (nvrtc not found), which nvidia-cuda-nvrtc has: "
        'pip install "halfstep[cuda13]"',
    ),
    "no compiler of the CuPy at hand, not of the driver": (
        {
            "module": cupy(getVersion=raising(DynamicLibNotFoundError("nvrtc\nnot found"))),
            "distributions": ("cupy-cuda12x",),
        },
        "cupy-cuda12x finds no compiler, NVRTC (nvrtc not found), which nvidia-cuda-nvrtc-cu12 has: "
        'pip install "halfstep[cuda12]"',
    ),
    "no headers": (
        {"module": cupy(compile=raising(CompileException(NO_HEADER)))},
        "cupy-cuda13x finds no cuda_fp16.h, which nvidia-cuda-runtime has: "
        'pip install "halfstep[cuda13]"',
    ),
    "no headers of CUDA 12": (
        {
            "module": cupy(compile=raising(CompileException(NO_HEADER))),
            "distributions": ("cupy-cuda12x",),
            "driver": (12, 4),
        },
        "cupy-cuda12x finds no cuda_fp16.h, which nvidia-cuda-runtime-cu12 has: "
        'pip install "halfstep[cuda12]"',
    ),
    "a compiler that fails": (
        {"module": cupy(compile=raising(CompileException("invalid value for -arch")))},
        'cupy-cuda13x cannot compile (invalid value for -arch): pip install "halfstep[cuda13]"',
    ),
    "a card that is full, which is for the fit to say": (
        {"module": cupy(compile=raising(CUDARuntimeError("out of memory")))},
        None,
    ),
    "both CuPys, of which one works": (
        {"module": cupy(), "distributions": ("cupy-cuda13x", "cupy-cuda12x"), "driver": (12, 8)},
        "cupy-cuda13x and cupy-cuda12x are installed and overwrite each other's files: "
        'pip uninstall cupy-cuda13x cupy-cuda12x; pip install "halfstep[cuda12]"',
    ),
    "a driver too old for any CuPy": (
        {"module": None, "distributions": (), "driver": (11, 4)},
        "the driver is for CUDA 11.4: update it to one for CUDA 12 or later",
    ),
    "a driver too old, beside a CuPy": (
        {"module": cupy(is_available=raising(NO_DRIVER)), "driver": (11, 8)},
        "the driver is for CUDA 11.8: update it to one for CUDA 12 or later",
    ),
    "a CuPy too old": (
        {"module": cupy(version="13.6.0")},
        'cupy-cuda13x 13.6.0 is too old: pip install "cupy-cuda13x[ctk]>=14,<15"',
    ),
    "a CuPy too new": (
        {"module": cupy(version="15.0.0"), "distributions": ("cupy-cuda12x",)},
        'cupy-cuda12x 15.0.0 is too new: pip install "cupy-cuda12x[ctk]>=14,<15"',
    ),
    "all is there": ({"module": cupy()}, None),
}
