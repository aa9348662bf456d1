"""Sphinx's settings for the site: `make site` builds it into build/site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from halfstep.version import __version__

project = "halfstep"
author = "the halfstep authors"
project_copyright = "2026, the halfstep authors"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "myst_parser",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "site_parts",
]
exclude_patterns = ["site_parts"]
templates_path = ["_templates"]
nitpicky = False
suppress_warnings: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
# GitHub's anchors, which the pages' links have.
myst_heading_anchors = 4

autosummary_generate = True
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
default_role = "backticks"  # in docstrings: see `site_parts.reference`
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False

html_theme = "furo"
html_title = "halfstep"
html_static_path = ["_static", "generated/static"]
html_css_files = ["site.css"]
html_logo = html_favicon = "_static/logo.svg"
# The search page would fetch each page that it finds, which a browser refuses to a file.
html_show_search_summary = False
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": False}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# Of those with enough contrast for all kinds of words.
pygments_style = "a11y-light"
pygments_dark_style = "github-dark-high-contrast"
