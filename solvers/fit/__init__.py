"""The parts of a fit, apart from its half-steps, in the order in which a fit uses them.

`checkpoint` reads and writes the state of a fit; `memory` estimates whether it fits in memory;
`weighing` turns stored values into weights, by `transform` and then `weights`; `tail` says where few
outweigh all; `start` draws the factors; `over_relaxation` and `stopping` say how far a half-step moves
a row; `monitor` takes the factors after every half-step. `term_weights` has the transforms as functions.
"""
