"""CUDA kernels on the CPU, for tests: an unchanged `.cu` file, compiled by g++, one fiber a thread.

What it shows: results, in several orders of the threads; arguments that do not fit the kernel;
barriers that not all threads reach, lanes that wait for each other, wrong masks; shared memory read
before it was written; and, compiled with the sanitizers, every race and every access out of bounds at
its line. What it cannot show: speed, the rounding of fused multiply-adds, a weak memory model,
anything in PTX.
"""

from emulator.arrays import DeviceArray, OutOfMemory
from emulator.backend import Launch
from emulator.build import EmulatorError, why_not
from emulator.module import ORDERS, Module
from emulator.recording import EmulatorBackend

__all__ = [
    "ORDERS",
    "DeviceArray",
    "EmulatorBackend",
    "EmulatorError",
    "Launch",
    "Module",
    "OutOfMemory",
    "why_not",
]
