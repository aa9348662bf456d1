"""The benchmark. `run` starts it, `suites` lists what a suite measures, `schema` is the results file.

`method` compares contestants, `report` draws the results, `quality` is the suite that asks whether a fit
is as good as exact ALS, and `gpu` is what needs a card. Results are kept in `results/`.
"""
