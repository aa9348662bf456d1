"""Read any table: find which column is what, and turn the columns into a data set.

`options` is what a caller may say about a table, `reading` the account of what was taken from it.
"""
