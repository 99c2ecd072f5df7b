"""How Sphinx builds the documentation: pages in Markdown, the API from the docstrings."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
# What is compiled does not say the types of its arguments.
os.environ["SYNCWS_PURE_PYTHON"] = "1"

import syncws

project = "syncws"
author = "The syncws authors"
project_copyright = "2026, The syncws authors"
release = version = syncws.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "*-figures.md"]
# Every name in a docstring's backticks is code.
default_role = "code"
nitpicky = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "inherited-members": True, "show-inheritance": True}
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_preprocess_types = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "syncws"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]


def keep_colons(app, what, name, obj, options, lines):
    """Break an attribute's first line behind its colon: napoleon would take what stands before it for the type."""
    if lines and what in ("attribute", "data", "property"):
        before, colon, behind = lines[0].partition(": ")
        if colon:
            lines[:1] = [f"{before}:", behind]


def setup(app):
    """Have Sphinx call what stands here."""
    # Before napoleon, whose priority is 500.
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
