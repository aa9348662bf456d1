"""The GPU's kernels (`.cu`, and what they share in `.cuh`), and the device that launches them.

`backend` is the device as solvers see it, `catalogue` names every kernel with its compile-time
definitions, `lanes` says how many threads share a row, `topk` launches the selection of the best items.
"""
