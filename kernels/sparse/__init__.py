"""Sparse matrices before a fit: sorted, without duplicates, and transposed, on all threads.

`canonical` makes canonical CSR of what a caller has, with one copy at most; `order` has its compiled
loops. `transpose` turns rows into columns.
"""
