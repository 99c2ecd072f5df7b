"""Passwords and tokens: from the environment or a prompt, never from an argument, which `ps` shows to everybody.

Runs on the main thread.
"""

import getpass
import os
import sys
import warnings

from syncws.cli.exits import CommandError, ExitCode

__all__ = ["read_secret"]


def read_secret(variable: str, what: str) -> str:
    """Return what an environment variable holds, or ask for it on the terminal.

    Args:
        variable: its name.
        what: is asked for.

    Raises:
        CommandError: it is not set, and there is no terminal to ask on.
    """
    if secret := os.environ.get(variable):
        return secret
    try:
        _find_console()
        with warnings.catch_warnings():
            # Without a terminal it would read stdin, which holds messages, and show what is typed.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"{what}: ")
    except (getpass.GetPassWarning, OSError, EOFError):
        raise CommandError(f"no terminal to ask for the {what} on: set {variable}", ExitCode.USAGE) from None


def _find_console() -> None:
    """Raise OSError where Windows has no console: getpass would wait for ever."""
    if sys.platform == "win32":
        open("CONIN$", "rb").close()
