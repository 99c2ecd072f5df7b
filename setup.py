"""Builds the optional C part; all metadata stands in setup.cfg."""

from setuptools import Extension, setup

setup(
    # Optional: where it cannot be compiled, the package is installed without it and does the same in Python.
    ext_modules=[Extension("syncws._wire._masking", ["syncws/_wire/_masking.c"], optional=True)],
)
