"""The results as a reader sees them: on a terminal, as an HTML page, and as Markdown in README and docs.

`tables` says what stands in which column, `numbers` how a number is written, and `sentences` what is
said in words; `terminal`, `html` and `markdown` draw the same tables.
"""
