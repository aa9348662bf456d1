"""What needs a card, and what is counted without one.

`run` is `make gpu`: `stages` says what its two stages do, and each part is a process of its own
(`process`). `rehearsal` runs both on the CPU, `results` makes a report of what they recorded, `static`
reads the compiled code.
"""
