"""`syncws receive URL FILE`: what a server sends, of any size, into a file, by a StreamWebSocket.

Runs on the main thread.
"""

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

from syncws import StreamWebSocket
from syncws.cli import lines
from syncws.cli.exits import ExitCode, check_how_it_ended
from syncws.cli.options import Commands, add_command, connect, new_socket
from syncws.cli.progress import moved, progress

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Write the bytes of all messages into a file, one after the other, until the server closes. What came before a connection
is lost stays in the file.
"""


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(commands, "receive", "write what a server sends into a file", _DESCRIPTION)
    parser.add_argument("file", metavar="FILE", help="- is stdout; an existing file is replaced")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Receive until the server closes; return 0.

    Raises:
        CommandError: it has closed with a code that is not an orderly end.
        WebSocketError: the library's.
        OSError: the file cannot be written.
    """
    with new_socket(options, StreamWebSocket) as socket, contextlib.ExitStack() as stack:
        socket.control.receive_timeout = None
        connect(options, socket)
        # Not before: a file that is there is replaced only by a server that answers.
        is_stdout = options.file == "-"
        file: BinaryIO = sys.stdout.buffer if is_stdout else stack.enter_context(Path(options.file).open("wb"))
        show = stack.enter_context(progress(f"receiving {os.path.basename(options.file)}", None))
        start, count = time.perf_counter(), 0
        source = socket.input_stream.as_file()
        while piece := source.read1():
            # At once: whoever reads behind a pipe, or follows the file, sees it when it comes.
            lines.write(piece, file)
            count += len(piece)
            show(count)
        check_how_it_ended(socket)
    print(moved("received", count, time.perf_counter() - start), file=sys.stderr)
    return ExitCode.OK
