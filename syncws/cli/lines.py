"""Standard input and output as bytes: lines that come in, messages that go out.

Reads and writes past Python's buffers: a thread that waits in one holds its lock, and the interpreter's end waits for
that. Whoever started the program may have left them not blocking, as Node does with its pipes: then it waits here.
"""

import base64
import errno
import io
import json
import select
import sys
from collections.abc import Iterator
from typing import BinaryIO, NoReturn, cast

from syncws import MessageWebSocketMessageReceivedEventArgs
from syncws.cli.exits import CommandError, ExitCode
from syncws.cli.screen import printable

__all__ = ["is_json", "read_all", "read_lines", "read_pieces", "show_as_json", "show_as_text", "show_binary", "write"]

_PIECE_BYTES = 65536

Args = MessageWebSocketMessageReceivedEventArgs


def read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield what comes in a file, as it comes."""
    source = _unbuffered(file)
    while True:
        try:
            piece = source.read(_PIECE_BYTES)
        except OSError as error:
            # nohup puts a file that cannot be read in the place of a terminal.
            if error.errno != errno.EBADF:
                raise
            return
        if piece == b"":
            return
        if piece is None:
            select.select([source], [], [])
        else:
            yield piece


def _unbuffered(file: BinaryIO) -> io.RawIOBase:
    # Buffers have it, and so has whatever else wraps a file.
    return cast("io.RawIOBase", getattr(file, "raw", file))


def read_all() -> bytes:
    """Return all of stdin."""
    return b"".join(read_pieces(sys.stdin.buffer))


def read_lines() -> Iterator[str]:
    """Yield the lines of stdin, without their ends; the last may have none.

    Raises:
        CommandError: a line is not UTF-8.
    """
    number = 0
    begun: list[bytes] = []
    for piece in read_pieces(sys.stdin.buffer):
        first, *others = piece.split(b"\n")
        begun.append(first)
        for other in others:
            number += 1
            yield _text(b"".join(begun), number)
            begun = [other]
    # Empty if there is nothing behind the last end, or nothing at all but a byte order mark.
    if last := _text(b"".join(begun), number + 1):
        yield last


def _text(line: bytes, number: int) -> str:
    try:
        # Notepad and PowerShell begin a file with a byte order mark.
        return line.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise CommandError(
            f"line {number} of stdin is not UTF-8: use --binary to send stdin as it is", ExitCode.USAGE
        ) from None


def show_as_text(args: Args) -> None:
    """Write a message as a line: a text, or binary as hexadecimal digits."""
    _write_line(args.data.hex() if args.text is None else args.text)


def show_binary(args: Args) -> None:
    """Write a message's bytes, and nothing more."""
    write(args.data)


def show_as_json(args: Args) -> None:
    """Write a message as one line of JSON: its own JSON, or its text as a string; binary as {"base64": …}."""
    if args.text is None:
        line = json.dumps({"base64": base64.b64encode(args.data).decode("ascii")})
    elif is_json(args.text):
        # Between its values: inside a string JSON has no line ends.
        line = args.text.replace("\r", " ").replace("\n", " ")
    else:
        line = json.dumps(args.text, ensure_ascii=False)
    _write_line(line)


def is_json(text: str) -> bool:
    """Return whether a text is JSON, one value of it."""
    try:
        # Python would take NaN and Infinity as well, and convert no integers of thousands of digits.
        json.loads(text, parse_constant=_refuse, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)


def _write_line(line: str) -> None:
    """Write a line as it is, but to a terminal so that it does nothing there."""
    write((printable(line) if sys.stdout.isatty() else line).encode() + b"\n")


def write(data: bytes, file: BinaryIO | None = None) -> None:
    """Write bytes to a file, which is stdout when None, at once."""
    target = _unbuffered(sys.stdout.buffer if file is None else file)
    rest = memoryview(data)
    while rest:
        # A part only where Ctrl-Z has interrupted it, nothing where it would block.
        written = target.write(rest)
        if written is None:
            select.select([], [target], [])
        else:
            rest = rest[written:]
