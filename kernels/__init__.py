"""Compiled loops, one idea a file; `cpu*` with Numba. Nothing is compiled or imported until it is used.

Numba keeps compiled code by the file of the function that is called from Python: whoever edits one of
the others deletes `kernels/__pycache__` to see the change.
"""
