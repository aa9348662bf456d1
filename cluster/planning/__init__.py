"""What a fit over machines costs before it is begun: rows that travel, bytes, memory and time.

`share.py` has the expected share of rows that a machine needs, `paper.py` and `gpus.py` the plan from a
few numbers, `counted.py` the plan from blocks that exist, and `page.py` writes the tables of
docs/scale.md.
"""
