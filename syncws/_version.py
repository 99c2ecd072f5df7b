"""The version of the package, in one place; setup.cfg reads it from here, without running it.

A constant: any thread may read it.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
