"""What the clients of the benchmarks are asked for, and how long that takes them."""

import ssl
import time
from functools import lru_cache
from typing import NamedTuple

from raw_server import payload


class Case(NamedTuple):
    """What a client is to do: at `uri`, so many times, with messages of `size` bytes of that kind.

    `authority` is the file of the certificate authority of a server with TLS.
    """

    uri: str
    times: int
    size: int
    kind: str
    authority: str | None = None

    @property
    def is_binary(self) -> bool:
        """True for binary messages, False for text."""
        return self.kind == "binary"

    @property
    def message(self) -> "str | bytes":
        """The message to send."""
        data = payload(self.size, self.kind)
        return data if self.is_binary else data.decode()

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS context of clients that take one; the same for all of them."""
        return None if self.authority is None else _context(self.authority)


@lru_cache
def _context(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


class Lap:
    """Seconds between start() and stop(): by the clock, and of this process's processor time."""

    wall = cpu = 0.0

    def start(self) -> None:
        """Begin to measure."""
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def stop(self) -> None:
        """End."""
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
