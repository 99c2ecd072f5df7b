"""The version of the package, in the one place where it stands; setup.cfg reads it from here, without running it.

Imports nothing. A constant: any thread may read it.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
