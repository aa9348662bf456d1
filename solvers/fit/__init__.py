"""What a fit does besides its half-steps, in the order in which it does it.

`memory` asks whether the fit will end, `weights` makes weights of stored values, `start` draws the
factors; `over_relaxation` and `stopping` say how far a row goes; `monitor` takes the factors after every
half-step, `checkpoint` writes them to a file.
"""
