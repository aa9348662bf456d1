"""What needs a card, and what is counted without one.

`run` is `make gpu`, all of it in one process; `staged` is `make gpu-staged`, with a process for each
part. Both time rungs by `contest`. `static` reads the compiled code.
"""
