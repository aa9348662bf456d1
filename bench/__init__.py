"""The benchmark: `run` is where it starts, `suites` what is run, `record` what comes out.

`check` and `timing` are the method, `judge` the verdicts; `table`, `report` and `readme` show results.
"""
