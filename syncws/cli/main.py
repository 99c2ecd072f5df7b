"""The command line's arguments and exit codes; each command is a module with add_to() and run().

Runs on the main thread.
"""

import argparse
import sys
from collections.abc import Sequence

from syncws import __version__
from syncws.cli import demo, echo

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
    for command in (demo, echo):
        command.add_to(commands)
    options = parser.parse_args(arguments)
    try:
        exit_code: int = options.run(options)
    except ImportError as exc:
        needed = f"{options.command} needs an extra ({exc.name} is missing)"
        print(f"{needed}: pip install 'syncws[{options.extra}]'", file=sys.stderr)
        return 2
    return exit_code
