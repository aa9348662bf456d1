"""What a CUDA device does beside running kernels: `uploads` to it while it works, and its `failures`."""
