"""From the records of a run on a card to the files that are committed."""
