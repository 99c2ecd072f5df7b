"""The command line's arguments and exit codes.

Runs on the main thread.
"""

import argparse
import sys
from collections.abc import Sequence

from syncws import __version__
from syncws.cli.demo import run_demo

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the program's name; sys.argv's when None.

    Returns:
        0 when all went well, 1 when something did not hold, 2 when an extra is missing.
    """
    parser = argparse.ArgumentParser(prog="syncws", description="A blocking WebSocket client.")
    parser.add_argument("--version", action="version", version=f"syncws {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="show the library against a server on loopback; needs the extra demo")
    parser.parse_args(arguments)
    try:
        return run_demo()
    except ImportError as exc:
        print(f"The demo needs an extra ({exc.name} is missing): pip install 'syncws[demo]'", file=sys.stderr)
        return 2
