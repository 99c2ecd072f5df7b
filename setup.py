"""Builds the optional C parts; all metadata stands in setup.cfg."""

import glob
import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older one runs this file too
    # Installing a clone together with an extra, pip would first try every release of every requirement, for minutes.
    sys.exit("syncws needs Python 3.11 or later; this is {}.{}".format(*sys.version_info))

from setuptools import Extension, setup

# A wheel for every system and Python: SYNCWS_PURE_PYTHON=1 python -m build --wheel
IS_PURE = os.environ.get("SYNCWS_PURE_PYTHON") == "1"

PARTS = {"syncws._wire._speedups": sorted(glob.glob("syncws/_wire/c/*.c"))}
if sys.version_info < (3, 12):
    # Later Pythons have classes offer the buffer protocol by themselves.
    PARTS["syncws._streams._exporter"] = ["syncws/_streams/_exporter.c"]

# Optional: where they cannot be compiled, the package is installed without them and does the same in Python.
# A function that a later Python no longer has shall fail the build, and not the program that calls it.
FLAGS = ["-Werror=implicit-function-declaration"] if os.name == "posix" else []
HEADERS = glob.glob("syncws/_wire/c/*.h")
MODULES = [
    Extension(name, sources, depends=HEADERS, extra_compile_args=FLAGS, optional=True)
    for name, sources in PARTS.items()
]

setup(ext_modules=[] if IS_PURE else MODULES)
