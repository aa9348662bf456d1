"""The suite `quality`: whether a fit is as good as exact ALS, and how much sooner it is done.

`plan` lists the cells, `cell` measures one of them, `run` all of them, and `table` draws the results.
"""
