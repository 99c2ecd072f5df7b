"""The command line: `python -m syncws`, installed as `syncws`.

Uses only what the package offers to everybody. Runs on the main thread.
"""
