"""The benchmark: `run` is where it starts, `suites` what is run, `schema` what comes out.

`method` is how contestants are compared, `report` shows results, `quality` is the suite that asks
whether fits are as good as exact ALS, `gpu` is what needs a card; results lie in `results/`.
"""
