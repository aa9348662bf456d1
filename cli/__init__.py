"""The `halfstep` command: `main` starts it, `options` are shared, `show_*` print what it found."""
