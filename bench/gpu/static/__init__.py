"""The kernels as compiled by NVRTC and as counted by hand, neither of which needs a card."""
