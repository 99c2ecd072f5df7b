"""How Sphinx builds the documentation: pages in Markdown, the API from the docstrings."""

import os
import pathlib
import re
import sys
import typing

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
# By their names, as at run time they are Any.
autodoc_type_aliases = {name: name for name in ("ReadableBuffer", "WriteableBuffer")}
autodoc_default_options = {"members": True, "inherited-members": True, "show-inheritance": True}
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_preprocess_types = False
napoleon_use_ivar = True

TUPLE_FIELD = type(syncws.ConnectTimes.total)

html_theme = "furo"
html_title = "syncws"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["layout.css"]


def name_aliases(app, what, name, obj, options, signature, returns):
    """Show an alias by its name alone: within a union Sphinx shows how it keeps it."""
    return signature and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", signature), returns


def show_public_bases(app, name, obj, options, bases):
    """Leave out the bases that are how a class is made, and what they are made for."""
    origins = [getattr(base, "__origin__", base) for base in bases]
    bases[:] = [base for base in origins if base is not typing.Generic and is_public(base)] or [object]


def is_public(cls):
    """Return whether a class is Python's, or one that the page may name."""
    return not cls.__module__.startswith("syncws") or cls.__name__ in syncws.__all__


def leave_out_fields(app, what, name, obj, skip, options):
    """Leave out the fields of named tuples, which the text above them describes."""
    return True if isinstance(obj, TUPLE_FIELD) else None


def keep_colons(app, what, name, obj, options, lines):
    """Break an attribute's first line behind its colon: napoleon would take what stands before it for the type."""
    if lines and what in ("attribute", "data", "property"):
        before, colon, behind = lines[0].partition(": ")
        if colon:
            lines[:1] = [f"{before}:", behind.lstrip()]


def setup(app):
    """Have Sphinx call what stands here."""
    app.connect("autodoc-process-signature", name_aliases)
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("autodoc-skip-member", leave_out_fields)
    # Before napoleon, whose priority is 500.
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
