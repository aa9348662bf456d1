"""How good a model is, and whether another is as good.

`objective` and `residual` audit a fit in float64; `split` and `protocols` hold entries out, `metrics`,
`sampled` and `auc` measure held-out quality; `validation` puts models beside baselines with intervals,
`activity` shows whom a mean hides; `verdict` and `equivalence` say whether two models are of equal
quality; `published` runs published settings again.
"""
