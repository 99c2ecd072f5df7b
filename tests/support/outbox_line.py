"""An outbox over a real connection, with TLS and without, and the other end of that."""

import contextlib
import io
import ssl

import pytest

from support import LIMIT, tls_line
from support.calls import Call
from support.doubles import CallCount
from support.tls_line import connected_pair
from support.wire import parse_all
from syncws._connection.sending.outbox import Outbox
from syncws._net.transport import SocketTransport
from syncws.errors import ObjectClosedError, OperationTimedOutError
from syncws.hresult import HResult

TEXT, BINARY = 0x81, 0x82


class FinishedOutbox(Outbox):
    """Tells of each frame that only a part of was taken, and does what a test wants in that moment."""

    __slots__ = ("during", "parts")

    def _finish(self):
        self.parts.append(len(self._writer._rest))
        self.during()
        super()._finish()


class Line:
    """An outbox over a real TCP connection, and the other end of that.

    Attributes:
        transport, bottom: the connection, and the SocketTransport below it, which is the same without TLS.
        far: the other end, which gives out what TLS has carried.
        record_bytes: what TLS adds to a frame.
    """

    record_bytes = 0

    def __init__(self):
        near, self.far = connected_pair()
        self.bottom = self.transport = SocketTransport(near)
        self._begin()

    def _begin(self):
        self.sent_before = self.bottom.outbound.total_bytes
        self.leftovers = CallCount()
        self.outbox = FinishedOutbox(self.transport, self.leftovers)
        self.outbox.send_timeout = LIMIT
        self.outbox.parts, self.outbox.during = [], lambda: None
        self.far_data = bytearray()

    def send(self, payload=b"hello", first=BINARY):
        return self.outbox.send_at_once(payload, first)

    def send_to_a_part(self):
        """Send frames until the system takes a part of one only, and that one too; return how many went before."""
        count = 0
        while self.send(bytes(3000)):
            if self.outbox.parts:
                return count
            count += 1
        return pytest.skip("this system takes frames whole or not at all")

    def send_for_ever(self):
        """Send until an error comes: the system may make room after all, and what was begun then goes."""
        while True:
            self.send_to_a_part()

    def fill(self):
        """Send until the system takes a part of a frame only, whose time is over; return how many went before."""
        self.outbox.send_timeout = 0.0
        with pytest.raises(OperationTimedOutError) as caught:
            self.send_for_ever()
        self.outbox.send_timeout = LIMIT
        assert caught.value.is_queued
        assert caught.value.hresult == HResult.WININET_E_TIMEOUT
        return self.outbox.tally.whole - 1

    def reading(self, count):
        """Begin to read `count` frames; return what waits for their payloads."""
        payloads = []
        call = Call(lambda: payloads.extend(self.read(count)))

        def end():
            assert call.end() is None
            return payloads

        return end

    def read(self, count):
        """Return the payloads of the next `count` frames that arrive."""
        frames = []
        while len(frames) < count:
            piece = self.far.recv(1 << 20)
            assert piece
            self.far_data += piece
            frames = parse_all_whole(self.far_data)
        return [frame.data for frame in frames]

    def close(self):
        self.outbox.shut(ObjectClosedError("the test is over"))
        self.outbox.retire(self.transport.close)
        self.far.close()


class Deciphered(io.RawIOBase):
    """The far end of a line with TLS, as its application sees it."""

    def __init__(self, line):
        self._line = line

    def readable(self):
        return True

    def readinto(self, room):
        data = self.recv(len(room))
        room[: len(data)] = data
        return len(data)

    def recv(self, size):
        data = b""
        while not data:
            with contextlib.suppress(ssl.SSLWantReadError):
                while len(data) < size and (piece := self._line.server.read(size - len(data))):
                    data += piece
            if not data:
                self._line._incoming.write(self._line.far.recv(1 << 20))
        return data

    def makefile(self, _):
        return io.BufferedReader(self)

    def setsockopt(self, *arguments):
        self._line.far.setsockopt(*arguments)

    def close(self):
        self._line.far.close()
        super().close()


class TlsLine(Line):
    """As Line, with TLS."""

    # TLS 1.3's header, its kind and its tag (RFC 8446 5.2).
    record_bytes = 5 + 1 + 16

    def __init__(self, server_context, client_context):
        made = tls_line.Line(server_context, client_context)
        self.far, self.bottom, self.transport = Deciphered(made), made.bottom, made.transport
        self._begin()


def parse_all_whole(data):
    """Return the frames that are there in whole."""
    end = position = 0
    while position + 6 <= len(data):
        length, start = data[position + 1] & 0x7F, position + 6
        if length >= 126:
            start += 2 if length == 126 else 8
            length = int.from_bytes(data[position + 2 : start - 4], "big")
        position = start + length
        if position <= len(data):
            end = position
    return parse_all(bytes(data[:end]))
