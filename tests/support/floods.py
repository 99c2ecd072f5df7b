"""What the tests of floods share: a bound on memory at its peak, scripts that send for ever, a bomb."""

import contextlib
import socket as tcp
import tracemalloc
import zlib

# What a first connection over TLS would load while memory is measured.
import syncws._net.tls.server  # noqa: F401

MIB = 1 << 20


@contextlib.contextmanager
def peak_below(limit):
    """Fail when the block, with the threads that run meanwhile, held more than `limit` bytes more than before it."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak} bytes were held at once"


class Cuttable:
    """A script as a context manager that cuts the connection; to be entered after the server.

    A server that is stuck in sending is told by the system only when that asks for room once more, which may take a
    minute after the client has gone.
    """

    def __init__(self, script):
        self.script = script
        self.connections = []

    def __call__(self, connection):
        self.connections.append(connection)
        self.script(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(tcp.SHUT_RDWR)


def bomb(size):
    """Return a compressed message's payload that becomes `size` zeros, a multiple of 16 MiB.

    It is one piece again and again, because zlib takes ten seconds for a gibibyte.
    """
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    # A full flush leaves nothing of what came before.
    piece = engine.compress(bytes(16 * MIB)) + engine.flush(zlib.Z_FULL_FLUSH)
    return (piece * (size // (16 * MIB)))[:-4]
