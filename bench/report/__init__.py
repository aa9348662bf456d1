"""Results shown: on a terminal, as an HTML page, as Markdown in README and docs.

`tables` says what stands in which column, `numbers` how a number is written, `sentences` what is said
in words; `terminal`, `html` and `markdown` draw the same tables.
"""
