"""`syncws send URL FILE`: a file of any size as one message, by a StreamWebSocket.

The main thread sends; a thread of its own reads what the server answers.
"""

import argparse
import contextlib
import math
import mmap
import os
import stat
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

from syncws import CloseCause, StreamWebSocket, WebSocketError
from syncws.cli import lines
from syncws.cli.exits import LOOK_SECONDS, CommandError, ExitCode, check_close_code
from syncws.cli.options import Commands, add_command, connect, new_socket, seconds
from syncws.cli.progress import moved, progress

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Send a file as one binary message, whatever its size: it is mapped, not read, so it must not get shorter meanwhile, and
sent in fragments. stdin, as -, is sent as it comes, each piece a message, and so is a pipe or a device. What the server
sends is thrown away or, with --wait, written to stdout.
"""

# A closing that begins so has no Close frame of the server before it.
_OTHER_ENDS = {
    CloseCause.CONNECTION_LOST: "the connection was lost",
    CloseCause.PROTOCOL_ERROR: "the server broke the protocol",
    CloseCause.KEEP_ALIVE: "the server was silent for too long (keep-alive)",
}


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(commands, "send", "send a file of any size as one message", _DESCRIPTION)
    parser.add_argument("file", metavar="FILE", help="- is stdin")
    parser.add_argument(
        "-w",
        "--wait",
        type=seconds,
        metavar="SECONDS",
        default=0.0,
        help="write what the server sends to stdout; after the end, wait until nothing has come for this long",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Send the file and close; return 0.

    Raises:
        CommandError: the server has closed with a code that is not an orderly end, or has not answered the closing, or
            not in time.
        WebSocketError: the library's.
        OSError: the file cannot be read.
    """
    with contextlib.ExitStack() as stack:
        file = None if options.file == "-" else stack.enter_context(Path(options.file).open("rb"))
        socket = stack.enter_context(new_socket(options, StreamWebSocket))
        # For the thread below, which waits until the connection is over.
        socket.control.receive_timeout = None
        connect(options, socket)
        answers = _Answers(socket, is_shown=options.wait != 0)
        start = time.perf_counter()
        try:
            if file is None:
                count = _send_pieces(socket, sys.stdin.buffer, "stdin")
            else:
                count = _send_file(socket, file, os.path.basename(options.file))
        except WebSocketError:
            answers.raise_failure()
            raise
        taken = time.perf_counter() - start
        if options.wait != 0:
            answers.wait_quiet(options.wait)
        in_time = _close_in_time(socket)
        answers.join()
        if not in_time:
            raise CommandError(
                "the server did not answer the Close frame in time, so what was sent last may not have arrived: "
                "see --close-timeout",
                ExitCode.TIME,
            )
        _check_that_the_server_closed(socket)
    print(moved("sent", count, taken), file=sys.stderr)
    return ExitCode.OK


def _close_in_time(socket: StreamWebSocket) -> bool:
    """Close; tell whether the server has ended it too, and not the time for it.

    What the system still holds may take its time on a slow line: the server answers when it has read it.
    """
    start = time.monotonic()
    socket.close(1000)
    limit = socket.control.close_timeout
    return socket.information.close_code != 1006 or limit is None or time.monotonic() - start < limit


def _check_that_the_server_closed(socket: StreamWebSocket) -> None:
    """Check that a Close frame of the server has come: only that tells that it has read what was sent (RFC 6455 7.1.4).

    Raises:
        CommandError: the connection ended otherwise, or its code is not that of an orderly end.
    """
    information = socket.information
    if information.close_cause in _OTHER_ENDS:
        how = _OTHER_ENDS[information.close_cause]
    elif information.close_code == 1006:
        how = "the server ended the connection without a Close frame"
    else:
        # The server may refuse the file when this side has closed already.
        check_close_code(socket)
        return
    raise CommandError(f"{how}, so what was sent last may not have arrived", ExitCode.LOST)


def _send_file(socket: StreamWebSocket, file: BinaryIO, name: str) -> int:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        # A pipe or a device: how long it is nobody knows.
        return _send_pieces(socket, file, name)
    if not status.st_size:
        # It is empty, or tells no size, as in /proc.
        return socket.output_stream.write(file.read())
    with (
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        progress(f"sending {name}", status.st_size) as show,
    ):
        return socket.output_stream.write(content, show)


def _send_pieces(socket: StreamWebSocket, file: BinaryIO, name: str) -> int:
    count = 0
    with progress(f"sending {name}", None) as show:
        for piece in lines.read_pieces(file):
            count += socket.output_stream.write(piece)
            show(count)
    return count


class _Answers:
    """Reads what comes: a server that waits for its reader would read no further itself."""

    def __init__(self, socket: StreamWebSocket, *, is_shown: bool) -> None:
        self._socket = socket
        self._is_shown = is_shown
        self._latest = time.monotonic()
        self._ended = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._read, name="syncws-answers", daemon=True)
        self._thread.start()

    def wait_quiet(self, wait: float | None) -> None:
        """Wait until nothing has come for `wait` seconds, or the server has closed."""
        start = time.monotonic()
        while not self._ended.is_set():
            remaining = LOOK_SECONDS if wait is None else max(start, self._latest) + wait - time.monotonic()
            if remaining <= 0:
                return
            self._ended.wait(min(remaining, LOOK_SECONDS))

    def join(self) -> None:
        """Wait for its end, which is that of the connection; raise what it failed with.

        Raises:
            OSError: nobody reads the output.
        """
        self._thread.join()
        self.raise_failure()

    def raise_failure(self) -> None:
        """Raise what it has failed with, which has ended the connection.

        Raises:
            OSError: nobody reads the output.
        """
        if self._failure is not None:
            raise self._failure

    def _read(self) -> None:
        try:
            source = self._socket.input_stream.as_file()
            while piece := source.read1():
                if self._is_shown:
                    # As long as nobody takes it, it is not the server that is silent.
                    self._latest = math.inf
                    lines.write(piece)
                self._latest = time.monotonic()
        except WebSocketError:
            # Sending tells it too, and the cause of the end.
            pass
        except OSError as error:
            self._failure = error
            self._socket.abort()
        finally:
            self._ended.set()
