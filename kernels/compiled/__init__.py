"""The CPU's loops, compiled and on disk: `cache` keeps them, in the folders that `folders` names."""
