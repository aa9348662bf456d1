"""Readers of published file formats, one format a file.

To add a format, write `read_NAME(path, options)` in a new file here. Columns that are in memory become a
data set by `halfstep.datasets.tables.frames.typed_fields`; columnar.py is the example. A format
without columns that could be named takes only the path, as in hetrec.py. Then give it an entry in
known.py, which says how it is told from others.
"""
