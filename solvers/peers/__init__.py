"""Other libraries behind this package's interface, for the benchmark to compare with."""
