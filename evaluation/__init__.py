"""How good a model is, and whether another is as good.

`split` and `protocols` hold entries out; `metrics`, `sampled` and `auc` measure held-out quality;
`validation` puts models beside baselines with intervals, `activity` shows whom a mean hides; `verdict`
and `equivalence` say whether two models are of equal quality; `published` runs published settings again.
The objective and the residuals, which audit a fit in float64, are in `halfstep.solvers.objective`.
"""
