"""The GPU rungs, one idea per file, from the simplest correct kernel to the fastest one.

Read `base` first: it runs the fit of every rung, and its head gives the order of the calls. `whitened`
is the half-step that the rungs from `cg_2_whitened` on share, `by_rule` the stopping rule of those from
`cg_5_binned` on. `cholesky` solves every row exactly. `device` holds data, factors and queries on the
device.
"""
