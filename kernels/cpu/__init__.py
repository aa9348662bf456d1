"""The CPU's loops, one idea a file; Numba compiles them on first use.

Read them in this order: `vectors` and `tiles` (dot products and updates over a few rows of Z), `cg` and
`rule` (conjugate gradient steps), `cholesky` and `exact` (exact solutions), `scratch` and `rows` (what
the loops work on, and the entry points that solve a block of rows), `high_degree` (one row on all
threads), `little` (all of that in one call). `rotation` changes coordinates, `ranking*` ranks the
catalogue, and `transpose` turns users' rows into items' rows.

`halfstep.kernels.compiled` keeps what was compiled; it is compiled anew when any file here changes.
"""
