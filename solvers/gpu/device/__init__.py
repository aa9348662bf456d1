"""What a GPU fit keeps on the device, and how it gets there.

* `side` is a side's stored entries on the device; `data` makes both sides from a matrix;
* `memory` plans what fits; `streaming` passes entries through in blocks; `partition` shares the rows
  out to several devices;
* `resident` runs the iterations on one device, and `replay` those that are recorded;
* `tally` adds up how rows ended, and `board` keeps this for the host until an iteration has ended;
* `coordinates` are factors that are not formed yet;
* `audit` computes objective, residuals and the check for finite factors;
* `top_k` launches the selection of the best items; `queries` answers a fitted model's queries.
"""
