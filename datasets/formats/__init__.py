"""Published formats, one a file: what their files look like and what their numbers mean."""
