"""Read text in blocks: cut lines, parse columns, integers and names, and account for malformed lines."""
