"""The kernels as the compiler makes them and as counted by hand: no card is needed."""
