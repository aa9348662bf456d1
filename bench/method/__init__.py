"""How contestants are compared: `check` that they solve the same problem, then `contest` by turns.

`timing` and `memory` measure, `ratios` and `spread` summarise, `verdicts` says in words what follows.
"""
