"""The fit over workers: the driver and what a worker keeps, row exchange, checkpoints and recovery."""
