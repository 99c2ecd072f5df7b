"""The hosts file: addresses of the names that this system knows without asking anybody.

Reads a local file, line by line, on the connecting thread.
"""

import codecs
import os
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from syncws._net.address import Address, parse_address

__all__ = ["find_in_hosts_file", "hosts_file"]

# Lists of names to block have some hundred thousand lines, 6 MB. What comes after the limit is not read: it would take
# longer than the deadline of a connect may allow.
_MAX_BYTES = 8 * 1024 * 1024
# Lines with one host's name in them; a connect tries no more than a few addresses.
_MAX_MATCHING_LINES = 1000
# A longer line is passed over: no system reads one.
_MAX_LINE_BYTES = 64 * 1024


def hosts_file() -> str:
    """Return where this system keeps its hosts file."""
    if os.name == "nt":
        return os.environ.get("SYSTEMROOT", r"C:\Windows") + r"\System32\drivers\etc\hosts"
    return "/etc/hosts"


def find_in_hosts_file(name: str) -> list[Address]:
    """Return the addresses of a name, given in lower case without a dot at the end, in the order of the file.

    There are none when there is no file, or it cannot be read.
    """
    found = []
    wanted = name.encode("utf-8")
    try:
        with open(hosts_file(), "rb") as file:
            # Taking every line of a long file apart would take ten times as long.
            matching = (line for line in _lines(file) if wanted in line.lower())
            for line in islice(matching, _MAX_MATCHING_LINES):
                found += _addresses_in(line, name)
    except OSError as exc:
        if exc.errno is None:
            # A signal handler's, which came in that moment: what the system says has a number.
            raise
    return found


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines that are not too long, up to the limit; never holds more than one of them."""
    remaining = _MAX_BYTES
    is_at_start = True
    while remaining > 0:
        piece = file.readline(_MAX_LINE_BYTES)
        if not piece:
            return
        is_whole = piece.endswith(b"\n") or len(piece) < _MAX_LINE_BYTES
        if is_at_start and is_whole:
            # Editors of Windows put a mark in front of UTF-8.
            yield piece.removeprefix(codecs.BOM_UTF8) if remaining == _MAX_BYTES else piece
        is_at_start = is_whole
        remaining -= len(piece)


def _addresses_in(line: bytes, name: str) -> list[Address]:
    fields = line.decode("utf-8", "replace").partition("#")[0].split()
    if name not in (field.lower().removesuffix(".") for field in fields[1:]):
        return []
    address = parse_address(fields[0])
    return [] if address is None else [address]
