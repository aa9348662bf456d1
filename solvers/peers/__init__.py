"""Other libraries behind this package's interface: what the benchmark compares with."""
