"""The GPU rungs, one idea a file, from the first kernel that is right to the one that is fast.

`base` is what all of them share, `whitened` what those from `cg_2_whitened` on share; `cholesky` solves
exactly. `device` keeps data, factors and queries on the device.
"""
