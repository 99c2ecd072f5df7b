"""The command line's arguments and exit codes; each command is a module with add_to() and run().

Runs on the main thread.
"""

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator, Sequence

from syncws import WebSocketError, __version__, enable_trace
from syncws.cli import connect, demo, echo, info, ping, receive, send
from syncws.cli.exits import EXIT_CODES_HELP, CommandError, ExitCode, exit_code_of, print_error

__all__ = ["main"]

_COMMANDS = {
    "connect": connect,
    "send": send,
    "receive": receive,
    "ping": ping,
    "info": info,
    "echo": echo,
    "demo": demo,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the program's name; sys.argv's when None.

    Returns:
        0 when all went well; the others stand in `syncws --help`.
    """
    parser = _parser()
    _offer_completion(parser)
    options = parser.parse_args(_with_command(sys.argv[1:] if arguments is None else arguments))
    if getattr(options, "verbose", False):
        enable_trace()
    try:
        with _all_streams():
            return int(options.run(options))
    except ImportError as error:
        extra = getattr(options, "extra", "cli")
        needed = f"{options.command} needs an extra ({error.name} is missing)"
        print(f'{needed}: pip install "syncws[{extra}]"', file=sys.stderr)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except CommandError as error:
        print_error(error)
        return error.code
    except WebSocketError as error:
        print_error(error)
        return exit_code_of(error)
    except OSError as error:
        if not _is_broken_pipe(error):
            print_error(error)
            return ExitCode.FAILED
        # What Python still holds cannot be written either, and it would say so.
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE


def _is_broken_pipe(error: OSError) -> bool:
    if isinstance(error, BrokenPipeError):
        return True
    # Windows says "Invalid argument" where nobody reads any more; of a file's name it says the same, with the name.
    return sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None


@contextlib.contextmanager
def _all_streams() -> Iterator[None]:
    """Supply stdin, stdout and stderr where they are closed or missing, as under pythonw, and have stdout take all."""
    with contextlib.ExitStack() as stack:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # As Python does it for stderr: a file on Windows, say, lacks most characters that a server may send.
            stack.callback(sys.stdout.reconfigure, errors=sys.stdout.errors)
            sys.stdout.reconfigure(errors="backslashreplace")
        for name, mode in ("stdin", "r"), ("stdout", "w"), ("stderr", "w"):
            if getattr(sys, name) is None:
                stack.callback(setattr, sys, name, None)
                setattr(sys, name, stack.enter_context(open(os.devnull, mode)))
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="syncws",
        description="A blocking WebSocket client. `syncws URL` is `syncws connect URL`.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"syncws {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _COMMANDS.values():
        command.add_to(commands)
    return parser


def _with_command(arguments: Sequence[str]) -> list[str]:
    """Put the command in front of arguments that begin with a URL, or with what was meant as one."""
    words = list(arguments)
    first = words[0] if words else ""
    if first in _COMMANDS:
        return words
    is_meant_as_url = not first.startswith("-") and any(mark in first for mark in ":/.")
    # Behind options only: a word before it is a command that is misspelt.
    is_url_given = first.startswith("-") and any(word.lower().startswith(("ws:", "wss:")) for word in words)
    return ["connect", *words] if is_meant_as_url or is_url_given else words


def _offer_completion(parser: argparse.ArgumentParser) -> None:
    # The shell asks for it so; otherwise nobody needs the library.
    if "_ARGCOMPLETE" not in os.environ:
        return
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)
