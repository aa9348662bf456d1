"""The CPU's loops, one idea a file; Numba compiles them on first use.

Read them in this order: `vectors` and `tiles` (dot products and updates over a few rows of Z), `cg` and
`rule` (conjugate gradient steps), `cholesky` and `exact` (exact solutions), `scratch` and `rows` (what
the loops work on, and the entry points that solve a block of rows), `high_degree` (one row on all
threads). `rotation` and `triangle` change coordinates, `ranking*` ranks the catalogue, and `transpose`
turns users' rows into items' rows.

Numba files compiled code under the file of the function that Python calls. After a change to a file
whose functions are called only from compiled code, delete `kernels/cpu/__pycache__`.
"""
