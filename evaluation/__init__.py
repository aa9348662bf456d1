"""How good a model is, and whether another is as good.

`objective` and `residual` audit a fit in float64; `split`, `metrics` and `sampled` measure held-out
quality; `verdict` and `equivalence` say whether two solvers are of equal quality; `published` runs
published settings again.
"""
