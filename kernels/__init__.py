"""The compiled inner loops: `cpu` for Numba, `cuda` for a GPU. Nothing is compiled before it is used.

`device` is what a GPU does beside running kernels.
"""
