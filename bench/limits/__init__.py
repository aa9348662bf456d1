"""What a half-step's phases take, move and compute, and what the machine can do.

`rates` measures the machine, `work` counts a half-step, `fits` records fits phase by phase, and
`amdahl` says what several threads gain. `halfstep.bench.suite_roofline` and
`halfstep.bench.suite_threads` put them together; `halfstep.bench.report.limits` has the tables.
"""
