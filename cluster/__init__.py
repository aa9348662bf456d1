"""ALS on more than one machine, over the workers of a Dask cluster: `halfstep.distributed`.

The folder is called `cluster`, since a folder `distributed` at the top of the repository would hide
Dask's package of that name from every Python that starts there. The extra `halfstep[dask]` installs what
this package needs.
"""
