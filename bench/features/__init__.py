"""Fits with attributes: new items beside other libraries, and what short histories gain."""
