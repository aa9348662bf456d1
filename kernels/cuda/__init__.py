"""The GPU's kernels (`.cu`, and headers `.cuh` that several include), and the device that launches them.

`backend` is the device as solvers see it; `catalogue` lists every kernel with its compile-time
definitions; `sources` finds and reads the files; `lanes` says how many threads share a row.

Read the kernels in the order of their numbers, `cg_1_naive.cu` to `cg_8_tensor.cu`, and then
`kernels/cuda/exact/cg_9_gramian.cu`: each removes one cost of the one before, and its head says which.
The files in `exact` solve rows exactly.
"""
