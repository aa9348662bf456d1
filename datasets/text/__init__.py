"""Text read in blocks by compiled code: lines, columns, integers, names, and bad lines."""
