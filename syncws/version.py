"""The version of the package, in one place; imports nothing, runs on no thread."""

__version__ = "0.1.0"
