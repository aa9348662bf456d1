"""The style sheet of all HTML pages: plain, light, one column, for a desktop, a phone and paper."""

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #222; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem 1rem 3rem; }
h1 { font-size: 1.55rem; line-height: 1.2; margin: .6rem 0; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, li { max-width: 44rem; overflow-wrap: anywhere; }
.lead { font-size: 1.1rem; }
.quiet { color: #555; font-size: .9rem; }
.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; text-align: left; white-space: nowrap; vertical-align: top; }
th { border-bottom: 2px solid #888; font-weight: 600; }
td { border-bottom: 1px solid #ddd; }
th.number, td.number { text-align: right; }
/* A table that is scrolled sideways keeps its first column in view. */
th:first-child, td:first-child { position: sticky; left: 0; background: #fff; }
ul { padding-left: 1.2rem; }
figure { margin: 1rem 0 1.6rem; max-width: 38rem; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { margin-bottom: .4rem; font-weight: 600; }
figcaption .quiet { display: block; font-weight: 400; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem; }
dt { color: #555; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 32rem) {
  body { font-size: 15px; }
}
@media print {
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding-right: .4rem; white-space: normal; }
  figure, tr { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
}
"""
