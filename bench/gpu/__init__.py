"""What needs a card, and what is counted without: `run` is `make gpu`, `static` reads compiled code."""
