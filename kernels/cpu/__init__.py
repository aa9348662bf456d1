"""The CPU's loops, compiled by Numba on first use, one idea a file.

Numba keeps compiled code by the file of the function that is called from Python. After a change to a
file whose functions are only called from compiled code, delete `kernels/cpu/__pycache__`.
"""
