"""What Dask's dashboard shows of a fit.

`phases.py` notes the phases on a worker, `dashboard.py` sends them for the driver, and `task_stream.py`
enters them on the scheduler.
"""
