"""A seeded mutator: makes new inputs out of saved ones, for where there is no coverage-guided fuzzer.

Pure, and the same for the same seed on every Python version: only random() of the generator is used.
"""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["Mutator", "shrink"]

_T = TypeVar("_T")

_EDGES = (0, 1, 2, 8, 9, 10, 125, 126, 127, 128, 129, 130, 136, 137, 138, 191, 194, 224, 237, 240, 244, 255)

_TOKENS: dict[str, tuple[bytes, ...]] = {
    "frames": (
        b"\x81\x00",
        b"\x82\x01a",
        b"\x01\x02\xe2\x82",
        b"\x80\x01\xac",
        b"\x00\x00",
        b"\x80\x00",
        b"\x89\x01p",
        b"\x8a\x00",
        b"\x88\x00",
        b"\x88\x02\x03\xe8",
        b"\x81\x7e\x00\x7e",
        b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
        b"\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xf0\x9f\x98\x80",
        b"\xed\xa0\x80",
    ),
    "deflate": (
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\xc2\x05\xf2\x00\x11\x00\x00",
        b"\xc1\x01\x00",
        b"\x41\x03\xf2\x48\xcd",
        b"\x80\x04\xc9\xc9\x07\x00",
        b"\xc2\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\xc2\x0b\x00\x05\x00\xfa\xffHello\x00",
        b"\x89\x01p",
        b"\x00\x00\xff\xff",
        b"\x01\x00\x00\xff\xff",
        b"\x03\x00",
        b"\x06",
    ),
    "handshake": (
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: keep-alive, Upgrade\r\n",
        b"Sec-WebSocket-Accept: {accept}\r\n",
        b"Sec-WebSocket-Protocol: chat\r\n",
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
        b"Content-Length: 5\r\n",
        b"Set-Cookie: a=b\r\n",
        b": ",
        b"\t",
        b"\0",
        b"\xff",
        "é".encode(),
    ),
    "reader": (
        b"\x15\xff",
        b"\x16\x05",
        b"\x12\x01",
        b"\x13\x01",
        b"\x13\x02",
        b"\x11\x00",
        b"\xd8\x00",
        b"\xff\xfe",
        "é€😀".encode(),
        b"\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\x00\x00\x00\x00\x00\x00\x00",
    ),
}


class Mutator:
    """Gives inputs without an end, each a saved one with up to four changes."""

    def __init__(self, target: str, inputs: Sequence[bytes], seed: int, longest: int) -> None:
        """Make a mutator; `longest` is how many bytes an input may have."""
        self._random = random.Random(seed)
        self._inputs = list(inputs) or [b""]
        self._tokens = _TOKENS[target]
        self._longest = longest
        self._changes: tuple[Callable[[bytearray, int], None], ...] = (
            self._set_edge,
            self._flip_bit,
            self._insert_edge,
            self._remove,
            self._repeat,
            self._insert_token,
            self._overwrite_token,
            self._splice,
        )

    def __iter__(self) -> "Mutator":
        return self

    def __next__(self) -> bytes:
        data = bytearray(self._one_of(self._inputs))
        for _ in range(1 + self._below(4)):
            self._one_of(self._changes)(data, self._below(len(data) + 1))
        return bytes(data[: self._longest])

    def _below(self, bound: int) -> int:
        # Twice as fast as randrange(), and as even as this needs to be.
        return int(self._random.random() * bound)

    def _one_of(self, choices: Sequence[_T]) -> _T:
        return choices[self._below(len(choices))]

    def _set_edge(self, data: bytearray, place: int) -> None:
        data[place : place + 1] = bytes([self._one_of(_EDGES)])

    def _flip_bit(self, data: bytearray, place: int) -> None:
        if place < len(data):
            data[place] ^= 1 << self._below(8)

    def _insert_edge(self, data: bytearray, place: int) -> None:
        data[place:place] = bytes([self._one_of(_EDGES)]) * (1 + self._below(3))

    def _remove(self, data: bytearray, place: int) -> None:
        del data[place : place + 1 + self._below(8)]

    def _repeat(self, data: bytearray, place: int) -> None:
        data[place:place] = data[place : place + 1 + self._below(24)]

    def _insert_token(self, data: bytearray, place: int) -> None:
        data[place:place] = self._one_of(self._tokens)

    def _overwrite_token(self, data: bytearray, place: int) -> None:
        token = self._one_of(self._tokens)
        data[place : place + len(token)] = token

    def _splice(self, data: bytearray, place: int) -> None:
        other = self._one_of(self._inputs)
        data[place:] = other[self._below(len(other) + 1) :]


def shrink(data: bytes, is_bad: Callable[[bytes], bool], most: int = 5000) -> bytes:
    """Return a shorter input that is bad too, trying `most` at the most."""
    step = max(1, len(data) // 2)
    while step:
        place = 0
        while place < len(data) and most > 0:
            shorter = data[:place] + data[place + step :]
            most -= 1
            if is_bad(shorter):
                data = shorter
            else:
                place += step
        step //= 2
    return data
