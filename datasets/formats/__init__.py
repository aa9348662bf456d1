"""Readers of published file formats, one format a file.

To add a format, write `read_NAME(path: Path) -> Dataset` in a new file here, with hetrec.py as the
example: read the columns with `halfstep.datasets.text`, and build the data set with
`halfstep.datasets.triples.from_triples`. Then enter the reader in datasets/sources.py, whose docstring
says where.
"""
