"""A server for one connection, which holds the conversation up to one byte of what it sends, and then breaks it.

May import this folder only. It runs on a thread of its own; the campaign waits for `faulted`, and calls stop(), which
ends whatever the server is still doing.
"""

import fcntl
import random
import socket
import ssl
import struct
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from compliance.compressor import EXTENSION_LINE, Compressor, is_offered
from compliance.conversation import CONVERSATION, Step, as_bytes
from compliance.pipe import Pipe, answer_of, raw_frame

__all__ = ["FAULTS", "FaultyPeer", "Plan"]

FAULTS = ("reset", "half close", "garbage", "stall", "early close", "partial record")

_LIMIT = 30.0
_CLOSE = 8


@dataclass(frozen=True)
class Plan:
    """What goes wrong: which fault, after how many bytes that the server has sent (TLS included)."""

    scheme: str
    fault: str
    position: int

    def __str__(self) -> str:
        return f"{self.fault} at byte {self.position} over {self.scheme}"


class _Cut(Exception):
    """The byte is reached; `rest` is what would have followed at once."""

    def __init__(self, rest: bytes) -> None:
        super().__init__()
        self.rest = rest


class FaultyPeer:
    """Listens, accepts one connection and breaks it; a context manager that stops on exit.

    Attributes:
        faulted: set when the fault has happened, or the conversation ended without one.
        whole_messages: how many messages, and `whole_bytes` how many bytes of them, have gone out whole before it.
        sent_bytes: bytes that have gone out, those of TLS included.
        received: the messages that came from the client.
    """

    def __init__(self, plan: Plan, context: ssl.SSLContext | None, seed: str) -> None:
        self._plan = plan
        self._random = random.Random(seed)
        self._pipe = Pipe(context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_LIMIT)
        self._socket: socket.socket | None = None
        self._unread = b""
        self._compressor: Compressor | None = None
        self._is_stopped = threading.Event()
        self.faulted = threading.Event()
        self.whole_messages = self.whole_bytes = self.sent_bytes = 0
        self.received: list[bytes] = []
        self.uri = f"{plan.scheme}://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._run, name="faulty-peer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the connection from this side, and the thread."""
        self._is_stopped.set()
        for end in (self._listener, self._socket):
            if end is not None:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._thread.join(_LIMIT)
        self._listener.close()
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        try:
            self._socket, _ = self._listener.accept()
            self._socket.settimeout(_LIMIT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._hold_conversation()
                self._socket.close()
            except _Cut as cut:
                self._break(self._socket, cut.rest)
        except OSError:
            pass  # The client left, or did not come.
        finally:
            self.faulted.set()

    def _hold_conversation(self) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += self._receive()
        if is_offered(request):
            self._compressor = Compressor()
        self._send(answer_of(request, EXTENSION_LINE if self._compressor else b""))
        frames = self._frames()
        for exchange in CONVERSATION:
            for opcode, payload in frames:
                if opcode < _CLOSE:
                    self.received.append(payload)
                    break
                if opcode == _CLOSE:
                    return
            for step in exchange.answer:
                self._send_step(step)
        self.faulted.set()
        for opcode, _ in frames:
            if opcode == _CLOSE:
                return

    # The wire.

    def _receive(self) -> bytes:
        """Return the next plain bytes, which may be none; what TLS wants sent is sent."""
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the client left")
        plain = self._pipe.receive(data)
        self._push(self._pipe.take_output())
        return plain

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        """Give opcode and payload of the client's frames, which are never fragments here."""
        while True:
            while (frame := self._next_frame()) is None:
                self._unread += self._receive()
            yield frame

    def _next_frame(self) -> tuple[int, bytes] | None:
        data = self._unread
        if len(data) < 2:
            return None
        length, start = data[1] & 0x7F, 2
        if length == 126:
            length, start = int.from_bytes(data[2:4], "big"), 4
        stop = start + 4 + length
        if len(data) < stop:
            return None
        mask = data[start : start + 4]
        self._unread = data[stop:]
        payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data[start + 4 : stop]))
        if self._compressor is not None:
            payload = self._compressor.inflate(data[0], payload)
        return data[0] & 0x0F, payload

    def _send(self, plain: bytes) -> None:
        self._pipe.send(plain)
        self._push(self._pipe.take_output())

    def _send_step(self, step: Step) -> None:
        first, payload = step.first, step.payload
        if self._compressor is not None:
            first, payload = self._compressor.compress(first, payload)
        self._pipe.send(raw_frame(first, payload))
        output = self._pipe.take_output()
        if step.completes is not None and self.sent_bytes + len(output) <= self._plan.position:
            self.whole_messages += 1
            self.whole_bytes += len(as_bytes(step.completes))
        self._push(output)

    def _push(self, output: bytes) -> None:
        assert self._socket is not None
        room = self._plan.position - self.sent_bytes
        part = output[:room]
        self._socket.sendall(part)
        self.sent_bytes += len(part)
        if len(part) == room:
            raise _Cut(output[room:])

    # The faults.

    def _break(self, connection: socket.socket, rest: bytes) -> None:
        fault = self._plan.fault
        if fault == "reset":
            self._wait_until_out(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        elif fault == "early close":
            self._wait_until_out(connection)
            connection.close()
        elif fault == "half close":
            connection.shutdown(socket.SHUT_WR)
            self._read_to_end(connection)
        elif fault == "garbage":
            connection.sendall(self._random.randbytes(self._random.randint(1, 300)))
            self._read_to_end(connection)
        elif fault == "stall":
            self.faulted.set()
            self._is_stopped.wait(_LIMIT)
        else:
            self._send_part(connection, rest)

    def _send_part(self, connection: socket.socket, rest: bytes) -> None:
        """Send a part of what would have followed, byte by byte, so that it ends inside a record and a frame."""
        begun = b"\x17\x03\x03\x40\x00abc" if self._plan.scheme == "wss" else b"\x82\x7e\x40\x00abc"
        part = rest[: self._random.randrange(len(rest))] if rest else begun[: self._random.randint(1, len(begun))]
        for index in range(len(part)):
            connection.sendall(part[index : index + 1])
        self.faulted.set()
        if self._random.random() < 0.5:
            self._is_stopped.wait(_LIMIT)
        else:
            self._wait_until_out(connection)
            connection.close()

    def _read_to_end(self, connection: socket.socket) -> None:
        self.faulted.set()
        while connection.recv(65536):
            pass

    def _wait_until_out(self, connection: socket.socket) -> None:
        """Wait until the client's system has everything: a reset throws away what it has not."""
        end = time.monotonic() + _LIMIT
        while time.monotonic() < end:
            waiting = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0]
            if not waiting or self._is_stopped.wait(0.001):
                return
