"""Builds the optional C part; all metadata stands in setup.cfg."""

import os

from setuptools import Extension, setup

# A wheel for every system and Python: SYNCWS_PURE_PYTHON=1 python -m build --wheel
IS_PURE = os.environ.get("SYNCWS_PURE_PYTHON") == "1"

setup(
    # Optional: where it cannot be compiled, the package is installed without it and does the same in Python.
    ext_modules=[] if IS_PURE else [Extension("syncws._wire._masking", ["syncws/_wire/_masking.c"], optional=True)],
)
