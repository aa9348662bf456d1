"""Attributes of items beside other libraries: what they say of items that nobody has used yet.

Read `data` first, then `protocol`, which draws the new items and judges a ranking of them, `entrants`
and `search`. `halfstep.bench.beside_features` runs them.
"""
