"""What the CPU's loops become on disk: `cache` keeps compiled code, in the folders that `folders` names."""
