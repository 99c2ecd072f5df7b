"""Reading the answer to an HTTP request, strictly: status line, headers, and a refusal's body; bounded in bytes.

Runs on the connecting thread. The opening handshake and a proxy's answer to CONNECT are read by it.
"""

import re
from collections.abc import Callable, Iterable

from syncws._net.exchange import receive_some
from syncws._net.http.body import BodyDecoder
from syncws._net.http.trace import trace_head
from syncws._net.transport import Transport, is_tls_error
from syncws._waiting.waiter import Waiter
from syncws._wire.headers import TOKEN
from syncws._wire.shown import shown_text
from syncws.errors import OperationCanceledError, WebSocketError
from syncws.http_headers import HttpHeaders

__all__ = ["MAX_BODY_BYTES", "MAX_HEAD_BYTES", "Head", "HeadReader"]

MAX_HEAD_BYTES = 65536
"""Bytes that the answer's status line and headers may take."""

MAX_BODY_BYTES = 4096
"""Bytes of a refusal's body that are kept on the error."""

# Interim answers (1xx) before the final one.
_MAX_INTERIM = 16
# In a reason or a value there are no control characters (RFC 9112 4, RFC 9110 5.5). No byte is tried twice, so
# a long head takes no longer than it must.
_STATUS = re.compile(r"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: ([^\x00-\x08\x0a-\x1f\x7f]*+))?\r?\n")
# Up to Python 3.11.4 a possessive group takes too much when its last turn fails half-way: so the words of a value are
# in an ordinary one.
_WORD = r"[^\x00-\x20\x7f]++"
_FIELD = re.compile(rf"^({TOKEN}+):[ \t]*+((?:{_WORD}(?:[ \t]++{_WORD})*)?)[ \t]*+\r?\n", re.MULTILINE)
# Where a header goes on in the next line: a client reads that as spaces (RFC 9112 5.2).
_FOLD = re.compile(r"\r?\n[ \t]++")
# How long a refusal's body is waited for: the status is known, the body is a courtesy.
_BODY_SECONDS = 1.0


class Head:
    """An answer's status line and headers.

    Attributes:
        status_code (int): its three digits.
        reason (str): what follows them.
        headers (HttpHeaders): as the application sees them.
        version (str): HTTP/1.1 or HTTP/1.0.
        encoding (str): in which it was read, UTF-8 or Latin-1.
    """

    __slots__ = ("encoding", "headers", "reason", "status_code", "version")

    def __init__(
        self,
        status_code: int,
        reason: str,
        fields: Iterable[tuple[str, str]],
        version: str = "HTTP/1.1",
        encoding: str = "utf-8",
    ) -> None:
        """Take what was read; `fields` are names and values."""
        self.status_code = status_code
        self.reason = reason
        self.headers = HttpHeaders(fields)
        self.version = version
        self.encoding = encoding

    @property
    def is_persistent(self) -> bool:
        """True when the connection goes on after the answer, provided it is clear where that ends (RFC 9112 9.3)."""
        options = ",".join(self.all_of("connection") + self.all_of("proxy-connection")).lower().split(",")
        return self.version == "HTTP/1.1" and "close" not in [option.strip(" \t") for option in options]

    def all_of(self, name: str) -> list[str]:
        """Return the values of each header of that name, which is in lower case."""
        return self.headers._values.get(name) or []

    def octets_of(self, name: str) -> list[str]:
        """Return the values that all_of() returns, but with a character for each byte that came."""
        values = self.headers._values.get(name)
        return [value.encode(self.encoding).decode("latin-1") for value in values] if values else []


class HeadReader:
    """Reads one answer from a transport.

    Attributes:
        has_begun: True when anything has come.
        remainder: what came after the head; with an exact reader nothing.
    """

    def __init__(
        self,
        transport: Transport,
        waiter: Waiter,
        refusal: Callable[[str], WebSocketError],
        *,
        is_exact: bool = False,
    ) -> None:
        """Make a reader.

        Args:
            transport: where the answer comes from.
            waiter: holds the deadline and the cancellation.
            refusal: makes the error for an answer that is not as it must be; is given what is wrong with it.
            is_exact: take no byte after the head, because somebody else reads on from there.
        """
        self._transport = transport
        self._waiter = waiter
        self._refusal = refusal
        # Byte by byte: a transport cannot be given anything back, and a proxy's head is short.
        self._piece_size = 1 if is_exact else MAX_HEAD_BYTES
        self.has_begun = False
        self.remainder = b""

    def read_final(self) -> Head | None:
        """Read heads until one is final: 101, or no 1xx (RFC 9110 15.2); None when the peer ended the connection.

        Raises: what `refusal` makes, and as exchange.receive_some.
        """
        for _ in range(_MAX_INTERIM + 1):
            raw = self._read_raw()
            if raw is None:
                return None
            trace_head("<", raw)
            head = self._parse(raw)
            if head.status_code == 101 or head.status_code >= 200:
                return head
        raise self._refusal(f"it has more than {_MAX_INTERIM} interim answers")

    def _read_raw(self) -> bytes | None:
        """Read up to the empty line; keep what came behind it."""
        buffer = bytearray(self.remainder)
        searched = 0
        while True:
            if buffer:
                if not buffer.startswith(b"HTTP/"[: len(buffer)]):
                    raise self._refusal(_what_it_is(buffer))
                end = _end_of_head(buffer, searched)
                if 0 <= end <= MAX_HEAD_BYTES:
                    self.remainder = bytes(buffer[end:])
                    return bytes(buffer[:end])
                if len(buffer) > MAX_HEAD_BYTES:
                    raise self._refusal(f"its headers are over {MAX_HEAD_BYTES} bytes")
                # The end may straddle two pieces by three bytes.
                searched = max(0, len(buffer) - 3)
            piece = receive_some(self._transport, self._waiter, self._piece_size)
            if not piece:
                return None
            self.has_begun = True
            buffer += piece

    def _parse(self, raw: bytes) -> Head:
        """Read a status line and headers (RFC 9112 4, 5), refusing what is ambiguous."""
        encoding = "utf-8"
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            encoding = "latin-1"
            text = raw.decode(encoding)
        status = _STATUS.match(text)
        # Older servers refuse in HTTP/1.0, but none of them can upgrade (RFC 9110 7.8).
        if status is None or (status[2] == "101" and status[1] != "HTTP/1.1"):
            line = text.partition("\n")[0].removesuffix("\r")
            raise self._refusal(f"its status line is {line[:80]!r}")
        version, code, reason = status.groups("")
        rest = text[status.end() :]
        if "\n " in rest or "\n\t" in rest:
            rest = _FOLD.sub(" ", rest)
        fields = _FIELD.findall(rest)
        # Each is one line; behind them comes the empty one.
        if len(fields) != rest.count("\n") - 1:
            lines = rest.split("\n")
            name = next(line for line in lines if _FIELD.match(f"{line}\n") is None).partition(":")[0].rstrip("\r")
            raise self._refusal(f"it has a header line that cannot be read, {shown_text(name, 40)!r}")
        return Head(int(code), reason, fields, version, encoding)

    def read_body(self, head: Head) -> tuple[bytes, bool]:
        """Return the beginning of a refusal's body, as far as it comes soon; and whether the answer ends there.

        Raises:
            OperationCanceledError: close(), abort() or a cancellation came (0x800704C7).
        """
        decoder = BodyDecoder(head.status_code, head.headers, MAX_BODY_BYTES)
        decoder.feed(self.remainder)
        soon = self._waiter.within(_BODY_SECONDS)
        while not decoder.is_over:
            try:
                piece = receive_some(self._transport, soon, MAX_HEAD_BYTES)
            except OperationCanceledError:
                raise
            except OSError as exc:
                if isinstance(exc, WebSocketError) or is_tls_error(exc):
                    break
                raise
            if not piece:
                break
            decoder.feed(piece)
        return bytes(decoder.body), decoder.is_at_end


def _what_it_is(beginning: bytearray) -> str:
    """Return what an answer is that does not begin as one of HTTP/1.1 does."""
    # An alert.
    if beginning.startswith(b"\x15\x03"):
        return "it is TLS: should it be wss://?"
    # SETTINGS, of 255 bytes at most: a server begins with it, whatever it was asked (RFC 9113 3.4).
    if beginning.startswith(b"\0\0") and beginning[3:4] == b"\x04":
        return "it is HTTP/2, and a WebSocket is opened by HTTP/1.1"
    return "it is not HTTP"


def _end_of_head(buffer: bytearray, start: int) -> int:
    """Return the position after the empty line, -1 when it is not there; a bare LF ends a line too (RFC 9112 2.2)."""
    end = buffer.find(b"\n\r\n", start)
    bare = buffer.find(b"\n\n", start)
    if bare >= 0 and (end < 0 or bare < end):
        return bare + 2
    return end if end < 0 else end + 3
