"""Fault campaigns: what must hold under faults, under many threads, and for any bytes; run by hand and small by tests.

Each module with a `main` is a command, `python -m compliance.faults` and so on, that runs from the project's folder.
Nothing here is installed with the library. All traffic stays on loopback, and all loops are bounded.
"""
