"""The parts of a fit, apart from its half-steps, in the order in which a fit uses them.

`run` is the fit up to the last warning, and calls the others. `taking` checks the matrix;
`checkpoint` reads and writes the state of a fit; `memory` estimates whether it fits; `weighing`
turns stored values into weights, by `transform` and then `weights`; `tail` says where few outweigh all;
`term_weights` has the transforms as functions; `start` draws the factors; `over_relaxation` and
`stopping` say how far a half-step moves a row; `monitor` takes the factors after every half-step;
`refit` and `warm_start` are about a model that has factors already; `precision` checks at the end
whether the dtype was enough.
"""
