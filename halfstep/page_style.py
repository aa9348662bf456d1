"""The style sheet and the frame of all HTML pages: plain, one column, for a desktop, a phone and paper.

Colours follow the reader's light or dark mode. Wide tables scroll in a box of their own, so that a page
is never wider than a phone.
"""

from html import escape

from halfstep.colours import variables

CSS = f"""
{variables(":root")}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }}
main {{ max-width: 76rem; margin: 0 auto; padding: 1rem 1rem 3rem; }}
h1 {{ font-size: 1.55rem; line-height: 1.2; margin: .6rem 0; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.15rem; margin: 2.2rem 0 .5rem; overflow-wrap: anywhere; }}
h3 {{ font-size: 1rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }}
p, li {{ max-width: 44rem; overflow-wrap: anywhere; }}
.lead {{ font-size: 1.1rem; }}
.quiet {{ color: var(--quiet); font-size: .9rem; }}
.scroll {{ overflow-x: auto; margin: .6rem 0; }}
table {{ border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .7rem .3rem 0; text-align: left; white-space: nowrap; vertical-align: top; }}
th {{ border-bottom: 2px solid var(--axis); font-weight: 600; }}
td {{ border-bottom: 1px solid var(--rule); }}
th.number, td.number {{ text-align: right; }}
/* A table that is scrolled sideways keeps its first column in view. */
th:first-child, td:first-child {{ position: sticky; left: 0; background: var(--paper); }}
ul {{ padding-left: 1.2rem; }}
figure {{ margin: 1rem 0 1.6rem; max-width: 38rem; }}
figure svg {{ display: block; width: 100%; height: auto; }}
figcaption {{ margin-bottom: .4rem; font-weight: 600; overflow-wrap: anywhere; }}
figcaption .quiet {{ display: block; font-weight: 400; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem; }}
dt {{ color: var(--quiet); }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
@media (max-width: 32rem) {{
  body {{ font-size: 15px; }}
  /* A long name in the first column must not cover the numbers that scroll under it. */
  th:first-child, td:first-child {{ max-width: 42vw; white-space: normal; overflow-wrap: break-word; }}
}}
@media print {{
  body {{ font-size: 10pt; }}
  main {{ max-width: none; padding: 0; }}
  .scroll {{ overflow: visible; }}
  table {{ font-size: 7.5pt; }}
  th, td {{ padding-right: .4rem; white-space: normal; }}
  figure, tr {{ break-inside: avoid; }}
  h2, h3, figcaption {{ break-after: avoid; }}
}}
"""


def whole_page(title: str, body: str) -> str:
    """Return an HTML page; `title` is plain text, `body` is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
