"""What a fit keeps on a device: sides, factors, memory plans, streams, shares of several devices."""
