"""The opening handshake (RFC 6455 4), through websocket-client over a guard that stands for its socket.

Runs on the connecting thread.

websocket-client builds the request and checks the answer. The guard between it and the transport sees to what the
library does not: it holds the one deadline, caps what the server may send, keeps the request target and the
application's headers away from the library's trace and Set-Cookie away from its process-wide cookie jar, and keeps the
bytes behind the answer for the decoder. The answer is read strictly before the library sees it (net.http_head).
"""

import base64
import binascii
import functools
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from syncws._net.http.asking import ask
from syncws._net.http.authentication import Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.head import Head
from syncws._net.transport import Transport
from syncws._waiting.at_fork import loading
from syncws._waiting.waiter import Waiter
from syncws._wire.extension import Agreement, BadAnswerError, offer_of, read_answer
from syncws._wire.shown import shown_text
from syncws._wire.uri import WebSocketUri
from syncws.errors import ConnectionLostError, HandshakeError, HttpStatusError, WebSocketError
from syncws.hresult import HResult
from syncws.http_headers import HttpHeaders

if TYPE_CHECKING:
    import hashlib

__all__ = ["HandshakeResult", "OpeningRequest", "advice_for", "open_websocket"]

_logger = logging.getLogger("syncws.connect")

_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LIBRARY_REQUEST_LINE = b"GET / HTTP/1.1\r\n"


class OpeningRequest(NamedTuple):
    """What is asked of a server.

    Attributes:
        uri: where to.
        headers: the application's, checked already; a Host or Origin among them replaces ours.
        subprotocols: offered in this order.
        cookies: sent, and filled by the answer, also when that is a refusal.
        authentication: answers a 401.
        compression: offered, as permessage-deflate; None offers none.
        meanwhile: called when the request is out, while the answer is on its way.
    """

    uri: WebSocketUri
    headers: Sequence[tuple[str, str]]
    subprotocols: Sequence[str]
    cookies: Cookies
    authentication: Authentication
    compression: Agreement | None = None
    meanwhile: Callable[[], object] = bool

    @property
    def host(self) -> str:
        """The value of the header Host."""
        return self.own("host") or self.uri.host_header

    def own(self, name: str) -> str | None:
        """Return the value of a header that the application has set; None when it has not."""
        for own, value in self.headers:
            if own.lower() == name:
                return value
        return None


class HandshakeResult(NamedTuple):
    """What the handshake settled.

    Attributes:
        subprotocol: the one that the server chose, "" when none.
        headers: the answer's headers.
        remainder: bytes that came behind the answer: the first frames.
        agreement: what was agreed about compression, None when there is none.
    """

    subprotocol: str
    headers: HttpHeaders
    remainder: bytes
    agreement: Agreement | None = None


def open_websocket(transport: Transport, waiter: Waiter, request: OpeningRequest) -> HandshakeResult:
    """Do the opening handshake on a connected transport.

    Args:
        transport: the pipe; the caller closes it when this raises.
        waiter: holds the deadline and the cancellation.
        request: what is asked.

    Raises:
        InvalidArgumentError: as Cookies.header_for.
        HttpStatusError: another status than 101 (0x80190000 + status).
        HandshakeError: no HTTP, or an answer that RFC 6455 4.1 refuses (0x80072F78, 0x83760003, 0x83760004).
        ConnectionLostError: the server hung up (0x80072EFE).
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    handshake, refused, _ = _library()
    guard = _Guard(transport, waiter, request)
    header = {}
    if request.compression is not None:
        header["Sec-WebSocket-Extensions"] = offer_of(request.compression)
    if request.subprotocols:
        # Not through the library's own option: that refuses a server which chooses none, and changes the case.
        header["Sec-WebSocket-Protocol"] = ", ".join(request.subprotocols)
    host = _unknown_host()
    try:
        handshake(guard, f"ws://{host}/", host, 80, "/", header=header, host=request.host, suppress_origin=True)
    except refused as exc:
        # The library takes a TimeoutError for its own socket's.
        if guard.failure is not None:
            raise guard.failure from None
        raise HandshakeError(f"the server's answer is no valid WebSocket handshake: {exc}") from exc
    head = guard.head
    if head.all_of("sec-websocket-accept") != [guard.accept]:
        # To the letter (RFC 6455 4.1 item 4); the library ignores its case.
        raise _refusal("Sec-WebSocket-Accept does not answer our key")
    subprotocol = _chosen_subprotocol(head, request.subprotocols)
    agreement = _agreed_compression(head, request.compression)
    return HandshakeResult(subprotocol, head.headers, guard.remainder, agreement)


@functools.cache
def _library() -> tuple[Callable[..., object], type[Exception], Callable[[bytes], "hashlib._Hash"]]:
    """Return websocket-client's handshake, what it raises for an answer that is none, and SHA-1, which loads OpenSSL.

    Not WebSocket.connect, which calls it: that reads a URL and makes what takes frames, for nothing.
    """
    # Here and not above: importing it takes longer than all the rest of this package, and most of a program's start.
    with loading():
        from hashlib import sha1

        from websocket import WebSocketException
        from websocket._handshake import handshake
    return handshake, WebSocketException, sha1


@functools.cache
def _unknown_host() -> str:
    """Return a name without a dot that nobody can guess: no entry of the library's cookie jar can match it."""
    return os.urandom(16).hex()


def _refusal(message: str, hresult: int = HResult.WININET_E_INVALID_SERVER_RESPONSE) -> HandshakeError:
    return HandshakeError(f"the server's answer is no valid WebSocket handshake: {message}", hresult=hresult)


def _accept_for(key: bytes) -> str:
    """Return the value of Sec-WebSocket-Accept that answers a key (RFC 6455 4.2.2 item 5)."""
    _, _, sha1 = _library()
    return base64.b64encode(sha1(key + _ACCEPT_GUID).digest()).decode("ascii")


def _chosen_subprotocol(head: Head, offered: Sequence[str]) -> str:
    """Return the subprotocol that the server chose (RFC 6455 4.1 item 6)."""
    chosen = head.all_of("sec-websocket-protocol")
    if not chosen:
        if offered:
            _logger.info("the server chose none of the %d subprotocols that were offered", len(offered))
        return ""
    if len(chosen) > 1 or chosen[0] not in offered:
        # Neither theirs nor ours is shown: a subprotocol may be a bearer token.
        what = f"{len(chosen)} subprotocols" if len(chosen) > 1 else "a subprotocol that was not among those offered"
        raise _refusal(
            f"it chose {what}; offered were {len(offered)} by control.supported_protocols",
            HResult.E_SUBPROTOCOL_NOT_SUPPORTED,
        )
    return chosen[0]


def _agreed_compression(head: Head, offered: Agreement | None) -> Agreement | None:
    """Return what the server made of the offer (RFC 6455 4.1 item 5, RFC 7692 7.1); it may leave it be."""
    answer = ", ".join(filter(None, head.all_of("sec-websocket-extensions")))
    if not answer:
        if offered is not None:
            _logger.info("the server does not compress: it did not take permessage-deflate")
        return None
    try:
        if offered is None:
            raise BadAnswerError(f"turned on the extension {answer[:80]!r}, which was not offered")
        return read_answer(answer, offered)
    except BadAnswerError as exc:
        raise _refusal(f"it {exc}", HResult.E_PROTOCOL_EXTENSIONS_NOT_SUPPORTED) from exc


class _Question:
    """The opening handshake as asking.ask() wants it."""

    is_exact = False

    def __init__(self, request: OpeningRequest, library_headers: bytes) -> None:
        """Take what is asked, and the headers that websocket-client made, Host among them."""
        self._request = request
        self._library_headers = library_headers
        self.authentication = request.authentication

    def head(self) -> bytes:
        """Return the request's head.

        Raises:
            InvalidArgumentError: as Cookies.header_for.
        """
        request, target = self._request, self._request.uri.resource
        headers = [header for header in request.headers if header[0].lower() != "host"]
        if request.cookies.jar is not None:
            cookie = request.cookies.header_for(request.uri, has_own=request.own("cookie") is not None)
            if cookie is not None:
                headers.append(("Cookie", cookie))
        authorization = request.authentication.header("GET", target)
        if authorization is not None:
            headers.append(authorization)
        lines = [f"GET {target} HTTP/1.1\r\n".encode("ascii"), self._library_headers]
        lines += [f"{name}: {value}\r\n".encode("latin-1") for name, value in headers]
        return b"".join([*lines, b"\r\n"])

    def meanwhile(self) -> None:
        self._request.meanwhile()

    def is_granted(self, head: Head) -> bool:
        self._request.cookies.keep(self._request.uri, head.all_of("set-cookie"))
        return head.status_code == 101

    def refusal(self, why: str) -> HandshakeError:
        return _refusal(why)

    def silence(self, failure: ConnectionLostError | None) -> WebSocketError:
        return failure or ConnectionLostError("the server ended the connection before it answered the handshake")


class _Guard:
    """Stands for the socket that websocket-client thinks it has."""

    def __init__(self, transport: Transport, waiter: Waiter, request: OpeningRequest) -> None:
        self._transport = transport
        self._waiter = waiter
        self._request = request
        self._library_headers = b""
        self._answer: Iterator[bytes] | None = None
        self._key = b""
        self.head: Head
        # What is to answer the library's key.
        self.accept = ""
        self.remainder = b""
        # What ended the handshake, if that was not the library.
        self.failure: OSError | None = None

    def gettimeout(self) -> None:
        """Tell the library that this socket blocks: the deadline is the waiter's."""

    def send(self, data: bytes) -> int:
        """Keep the library's request, which goes out when the library wants the answer."""
        self._key = data.partition(b"\r\nSec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        if not (data.startswith(_LIBRARY_REQUEST_LINE) and data.endswith(b"\r\n\r\n") and self._key):
            raise HandshakeError("websocket-client made a request of an unknown form")
        self._library_headers = data[len(_LIBRARY_REQUEST_LINE) : -2]
        return len(data)

    def recv(self, size: int) -> bytes:
        """Give the library the answer's head, a line's text and its end in turn; ask, read and check it first.

        The library asks for one byte at a time and joins what it gets until that is a line feed, so more at once is
        as good; byte by byte it would take longer than all the rest of the handshake.
        """
        if self._answer is None:
            try:
                self._answer = iter(self._read_answer())
            except OSError as exc:
                self.failure = exc
                raise
        return next(self._answer, b"")

    def _read_answer(self) -> tuple[bytes, ...]:
        """Ask and read the answer; return the 101's lines, as the library may see them, each and its end."""
        head, is_granted, rest = ask(self._transport, self._waiter, _Question(self._request, self._library_headers))
        if not is_granted:
            advice = self._request.authentication.advice(head) or advice_for(head)
            raise HttpStatusError(
                f"the server answered {head.status_code} {shown_text(head.reason)}".rstrip() + advice,
                status_code=head.status_code,
                headers=head.headers,
                body=rest,
            )
        self.accept = _accept_for(self._key)
        upgrade, connection, accept = _check_upgrade(head, self.accept)
        self.head = head
        self.remainder = rest
        # Only what the library checks: its cookie jar is process-wide, and what it does not see it cannot carry to
        # another connection.
        return b"HTTP/1.1 101", b"\n", upgrade, b"\n", connection, b"\n", accept, b"\n", b"\n"


def _check_upgrade(head: Head, expected: str) -> tuple[bytes, bytes, bytes]:
    """Check what RFC 6455 4.1 asks of the answer, but subprotocol and extensions; return the lines that settle it.

    A Sec-WebSocket-Accept that is another than `expected`, but could be one, is for the library to refuse.
    """
    # As bytes: to str.lower() and str.strip() there are letters and spaces beyond ASCII that pass for these.
    upgrades = head.all_of("upgrade")
    if len(upgrades) > 1:
        raise _refusal(f"it has {len(upgrades)} headers Upgrade, where one is allowed")
    if not upgrades or upgrades[0].encode().lower() != b"websocket":
        raise _refusal("it has no header Upgrade: websocket")
    connection = ",".join(head.all_of("connection")).encode().lower()
    if connection != b"upgrade" and b"upgrade" not in [token.strip(b" \t") for token in connection.split(b",")]:
        raise _refusal("it has no header Connection: Upgrade")
    accept = head.all_of("sec-websocket-accept")
    if accept != [expected] and (len(accept) != 1 or not _is_base64(accept[0])):
        raise _refusal("it has no valid header Sec-WebSocket-Accept")
    return b"upgrade: websocket", b"connection: " + connection, f"sec-websocket-accept: {accept[0]}".encode()


def advice_for(head: Head) -> str:
    """Return what to do about an answer that is not 101, or a proxy's that is not 2xx; begins with a colon or empty."""
    if head.status_code < 300 or head.status_code in (400, 404, 405, 426):
        return ": that is ordinary HTTP and no WebSocket; are path and port right?"
    return ""


def _is_base64(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 20
    except (binascii.Error, ValueError):
        return False
