"""The opening handshake (RFC 6455 4), through websocket-client over a guard that stands for its socket.

May import errors, hresult and wire; websocket-client's second home. Runs on the connecting thread.

websocket-client builds the request and checks the answer. The guard between it and the transport sees to what the
library does not: it holds the one deadline, caps what the server may send, puts in the exact request target (the
library's URL parser drops ";parameters" and an empty query), keeps the application's headers away from the library's
trace and Set-Cookie away from its process-wide cookie jar, and keeps the bytes behind the answer for the decoder. The
answer is read strictly here before the library sees it.
"""

import base64
import binascii
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import websocket

from syncws.errors import ConnectionLostError, HandshakeError, HResultError, HttpStatusError
from syncws.hresult import HResult
from syncws.net.readiness import READABLE, WRITABLE
from syncws.net.trace import trace_head
from syncws.net.transport import Transport
from syncws.net.waiter import Waiter
from syncws.wire.headers import is_token
from syncws.wire.uri import WebSocketUri

__all__ = ["MAX_BODY_BYTES", "MAX_HEAD_BYTES", "HandshakeResult", "open_websocket"]

_logger = logging.getLogger("syncws.handshake")

MAX_HEAD_BYTES = 65536
"""Bytes that the answer's status line and headers may take."""

MAX_BODY_BYTES = 4096
"""Bytes of a refusal's body that are kept on the error."""

_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LIBRARY_REQUEST_LINE = b"GET / HTTP/1.1\r\n"
# Interim answers (1xx) before the final one, and that one.
_MAX_HEADS = 16
# How long a refusal's body is waited for: the status is known, the body is a courtesy.
_BODY_SECONDS = 1.0


@dataclass(frozen=True)
class HandshakeResult:
    """What the handshake settled.

    Attributes:
        subprotocol: the one that the server chose, "" when none.
        headers: the answer's headers, names in lower case.
        remainder: bytes that came behind the answer: the first frames.
    """

    subprotocol: str
    headers: Mapping[str, str]
    remainder: bytes


@dataclass(frozen=True)
class _Head:
    """The answer's status line and headers."""

    status_code: int
    reason: str
    fields: tuple[tuple[str, str], ...]

    def all_of(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]

    def as_mapping(self) -> dict[str, str]:
        joined: dict[str, str] = {}
        for name, value in self.fields:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
        return joined


def open_websocket(
    transport: Transport,
    waiter: Waiter,
    uri: WebSocketUri,
    request_headers: Sequence[tuple[str, str]],
    subprotocols: Sequence[str],
) -> HandshakeResult:
    """Do the opening handshake on a connected transport.

    Args:
        transport: the pipe; the caller closes it when this raises.
        waiter: holds the deadline and the cancellation.
        uri: where to.
        request_headers: the application's, checked already; a Host or Origin among them replaces ours.
        subprotocols: offered in this order.

    Raises:
        HttpStatusError: another status than 101 (0x80190000 + status).
        HandshakeError: no HTTP, or an answer that RFC 6455 4.1 refuses (0x80072F78, 0x83760003, 0x83760004).
        ConnectionLostError: the server hung up (0x80072EFE).
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    key = base64.b64encode(os.urandom(16)).decode("ascii")
    guard = _Guard(transport, waiter, uri.resource, request_headers)
    header = {"Sec-WebSocket-Key": key}
    if subprotocols:
        # Not through the library's own option: that refuses a server which chooses none, and changes the case.
        header["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    host = next((value for name, value in request_headers if name.lower() == "host"), uri.host_header)
    # A name without a dot that nobody can guess: no entry of the library's cookie jar can match it.
    library_uri = f"ws://{os.urandom(16).hex()}/"
    library = websocket.WebSocket(enable_multithread=False)
    try:
        library.connect(  # type: ignore[no-untyped-call]
            library_uri, socket=guard, header=header, host=host, suppress_origin=True, redirect_limit=0
        )
    except websocket.WebSocketException as exc:
        if guard.failure is not None:
            # The library takes a TimeoutError for its own socket's.
            raise guard.failure from None
        raise HandshakeError(f"the server's answer is no valid WebSocket handshake: {exc}") from exc
    finally:
        # The library's objects refer to each other: what they hold would stay until the next garbage collection.
        library.sock = None
    head = guard.head
    _check_accept(head, key)
    return HandshakeResult(_chosen_subprotocol(head, subprotocols), head.as_mapping(), guard.remainder)


def _refuse(message: str, hresult: int = HResult.WININET_E_INVALID_SERVER_RESPONSE) -> NoReturn:
    raise HandshakeError(f"the server's answer is no valid WebSocket handshake: {message}", hresult=hresult)


def _check_accept(head: _Head, key: str) -> None:
    """Compare Sec-WebSocket-Accept to the letter (RFC 6455 4.1 item 4); the library ignores its case."""
    expected = base64.b64encode(hashlib.sha1(key.encode("ascii") + _ACCEPT_GUID).digest()).decode("ascii")
    if head.all_of("sec-websocket-accept") != [expected]:
        _refuse("Sec-WebSocket-Accept does not answer our key")


def _chosen_subprotocol(head: _Head, offered: Sequence[str]) -> str:
    """Return the subprotocol that the server chose (RFC 6455 4.1 item 6)."""
    chosen = head.all_of("sec-websocket-protocol")
    if not chosen:
        return ""
    if len(chosen) > 1 or chosen[0] not in offered:
        wanted = ", ".join(offered) or "none"
        _refuse(
            f"it chose the subprotocol {', '.join(chosen)!r}; offered were: {wanted}",
            HResult.E_SUBPROTOCOL_NOT_SUPPORTED,
        )
    return chosen[0]


class _Guard:
    """Stands for the socket that websocket-client thinks it has."""

    def __init__(
        self, transport: Transport, waiter: Waiter, resource: str, request_headers: Sequence[tuple[str, str]]
    ) -> None:
        self._transport = transport
        self._waiter = waiter
        self._resource = resource
        self._request_headers = request_headers
        self._answer: Iterator[bytes] | None = None
        self.head: _Head
        self.remainder = b""
        # What ended the handshake, if that was not the library.
        self.failure: HResultError | None = None
        self._send_failure: ConnectionError | None = None

    def gettimeout(self) -> None:
        """Tell the library that this socket blocks: the deadline is the waiter's."""

    def close(self) -> None:
        """Do nothing: the transport belongs to the caller."""

    def send(self, data: bytes) -> int:
        """Send the library's request, whole, with what it leaves out put in."""
        if not data.startswith(_LIBRARY_REQUEST_LINE) or not data.endswith(b"\r\n\r\n"):
            raise HandshakeError("websocket-client made a request of an unknown form")
        lines = [f"GET {self._resource} HTTP/1.1\r\n".encode("ascii"), data[len(_LIBRARY_REQUEST_LINE) : -2]]
        for name, value in self._request_headers:
            if name.lower() != "host":
                lines.append(f"{name}: {value}\r\n".encode("latin-1"))
        lines.append(b"\r\n")
        try:
            self._send_all(b"".join(lines))
        except HResultError as exc:
            self.failure = exc
            raise
        except ConnectionError as exc:
            # The server hung up on our request. Why may have come before: a refusal, or TLS's alert.
            self._send_failure = exc
        return len(data)

    def _send_all(self, request: bytes) -> None:
        trace_head(_logger, ">", request)
        unsent = memoryview(request)
        while unsent:
            sent = self._transport.send(unsent)
            unsent = unsent[sent:]
            if not sent:
                self._waiter.wait(WRITABLE)
        while not self._transport.flush():
            self._waiter.wait(WRITABLE)

    def recv(self, size: int) -> bytes:
        """Give the library the answer's head, a line's text and its end in turn; read and check it first.

        The library asks for one byte at a time and joins what it gets until that is a line feed, so more at once is
        as good; byte by byte it would take longer than all the rest of the handshake.
        """
        if self._answer is None:
            try:
                self._answer = iter(self._read_answer())
            except HResultError as exc:
                self.failure = exc
                raise
        return next(self._answer, b"")

    def _read_answer(self) -> list[bytes]:
        """Read heads until one is final (RFC 9110 15.2); return the 101's lines, as the library may see them."""
        received = b""
        for _ in range(_MAX_HEADS):
            raw, received = self._read_head(received)
            trace_head(_logger, "<", raw)
            head = _parse_head(raw)
            if head.status_code == 101:
                break
            if head.status_code >= 200:
                self._raise_status(head, received)
        else:
            _refuse(f"it has more than {_MAX_HEADS} interim answers")
        _check_upgrade(head)
        self.head = head
        self.remainder = received
        # Only what the library checks: its cookie jar is process-wide, and what it does not see it cannot carry to
        # another connection.
        headers = head.as_mapping()
        shown = [f"{name}: {headers[name]}" for name in ("upgrade", "connection", "sec-websocket-accept")]
        return [part for line in ("HTTP/1.1 101", *shown, "") for part in (line.encode("utf-8"), b"\n") if part]

    def _read_head(self, received: bytes) -> tuple[bytes, bytes]:
        """Read up to the empty line; return the head and what came behind it."""
        buffer = bytearray(received)
        searched = 0
        while True:
            if not buffer.startswith(b"HTTP/"[: len(buffer)]):
                _refuse("it is not HTTP")
            end = _end_of_head(buffer, searched)
            if 0 <= end <= MAX_HEAD_BYTES:
                return bytes(buffer[:end]), bytes(buffer[end:])
            if len(buffer) > MAX_HEAD_BYTES:
                _refuse(f"its headers are over {MAX_HEAD_BYTES} bytes")
            # The end may straddle two pieces by three bytes.
            searched = max(0, len(buffer) - 3)
            piece = self._receive(self._waiter)
            if not piece:
                if self._send_failure is not None:
                    raise self._send_failure
                raise ConnectionLostError("the server ended the connection before it answered the handshake")
            buffer += piece

    def _receive(self, waiter: Waiter) -> bytes:
        while True:
            # Not only when it has to wait: a server may send for ever and say nothing.
            waiter.check()
            piece = self._transport.receive(MAX_HEAD_BYTES)
            if piece is not None:
                return piece
            waiter.wait(READABLE)

    def _raise_status(self, head: _Head, received: bytes) -> NoReturn:
        headers = head.as_mapping()
        body = self._read_body(headers.get("content-length"), received)
        raise HttpStatusError(
            f"the server answered {head.status_code} {head.reason}".rstrip(),
            status_code=head.status_code,
            headers=headers,
            body=body,
        )

    def _read_body(self, content_length: str | None, received: bytes) -> bytes:
        """Return the body's beginning, as far as it comes soon."""
        wanted = MAX_BODY_BYTES
        if content_length is not None and content_length.isascii() and content_length.isdigit():
            # Not int() of any length: it is quadratic in the digits.
            wanted = min(wanted, int(content_length[-9:]) if len(content_length) < 10 else wanted)
        soon = self._waiter.within(_BODY_SECONDS)
        body = bytearray(received)
        while len(body) < wanted:
            try:
                piece = self._receive(soon)
            except OSError:
                break
            if not piece:
                break
            body += piece
        return bytes(body[:wanted])


def _end_of_head(buffer: bytearray, start: int) -> int:
    """Return the position behind the empty line, -1 when it is not there; a bare LF ends a line too (RFC 9112 2.2)."""
    ends = [position + len(mark) for mark in (b"\n\r\n", b"\n\n") if (position := buffer.find(mark, start)) >= 0]
    return min(ends, default=-1)


def _parse_head(raw: bytes) -> _Head:
    """Read a status line and headers (RFC 9112 4, 5), refusing what is ambiguous."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = text.replace("\r\n", "\n").split("\n")
    version, _, rest = lines[0].partition(" ")
    code, _, reason = rest.partition(" ")
    if version != "HTTP/1.1" or len(code) != 3 or not (code.isascii() and code.isdigit()) or code < "100":
        _refuse(f"its status line is {lines[0][:80]!r}")
    fields = []
    for line in lines[1:-2]:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not is_token(name) or any(character < " " and character != "\t" for character in value):
            _refuse(f"it has the header line {line[:80]!r}")
        fields.append((name.lower(), value))
    return _Head(int(code), reason, tuple(fields))


def _check_upgrade(head: _Head) -> None:
    """Check what RFC 6455 4.1 asks of the answer, the key and the subprotocol apart."""
    if [value.lower() for value in head.all_of("upgrade")] != ["websocket"]:
        _refuse("it has no header Upgrade: websocket")
    connection = ",".join(head.all_of("connection")).lower().split(",")
    if "upgrade" not in (token.strip() for token in connection):
        _refuse("it has no header Connection: Upgrade")
    extensions = ", ".join(value for value in head.all_of("sec-websocket-extensions") if value)
    if extensions:
        _refuse(
            f"it turned on the extension {extensions[:80]!r}, which was not offered",
            HResult.E_PROTOCOL_EXTENSIONS_NOT_SUPPORTED,
        )
    accept = head.all_of("sec-websocket-accept")
    if len(accept) != 1 or not _is_base64(accept[0]):
        _refuse("it has no valid header Sec-WebSocket-Accept")


def _is_base64(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 20
    except (binascii.Error, ValueError):
        return False
