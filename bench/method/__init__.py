"""How contestants are compared: `check` looks at one untimed fit of each, `contest` runs a whole case.

`timing` and `memory` measure, `ratios` and `spread` summarise, `verdicts` says whether a contestant is
as good as the reference.
"""
