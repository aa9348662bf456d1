"""Fits with attributes: new items beside other libraries, and what short histories gain.

For new items read `data` first, then `protocol`, which draws them and judges a ranking of them,
`entrants` and `search`; `halfstep.bench.beside_features` runs them. `history` is about users.
"""
