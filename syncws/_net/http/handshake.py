"""The opening handshake (RFC 6455 4): websocket-client makes the request and checks the answer.

Runs on the connecting thread.

The part in between is what the library does not do: the one deadline, a cap on what the server may send, and the bytes
after the answer, which are the decoder's. The request target and the application's headers are kept away from it, and
Set-Cookie from its process-wide cookie jar. The answer is read strictly before the library sees it (head.py).
"""

import base64
import binascii
import functools
import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from syncws._functions import nothing
from syncws._net.http.asking import ask
from syncws._net.http.authentication import Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.head import Head
from syncws._net.http.redirects import REDIRECTS
from syncws._net.transport import Transport
from syncws._waiting.at_fork import loading
from syncws._waiting.waiter import Waiter
from syncws._wire.extension import Agreement, BadAnswerError, offer_of, read_answer
from syncws._wire.shown import shown_text, shown_url
from syncws._wire.uri import WebSocketUri
from syncws.errors import ConnectAbortedError, ConnectionLostError, HandshakeError, HttpStatusError, WebSocketError
from syncws.hresult import HResult
from syncws.http_headers import HttpHeaders

if TYPE_CHECKING:
    import hashlib

__all__ = ["HandshakeResult", "OpeningRequest", "open_websocket"]

_logger = logging.getLogger("syncws.connect")

_ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LIBRARY_REQUEST_LINE = "GET / HTTP/1.1"


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
    meanwhile: Callable[[], object] = nothing

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
        remainder: bytes that came after the answer: the first frames.
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
        HttpStatusError: a status other than 101 (0x80190000 + status).
        HandshakeError: not HTTP, or an answer that RFC 6455 4.1 refuses (0x80072F78, 0x83760003, 0x83760004).
        ConnectionLostError: the server hung up (0x80072EFE).
        OperationTimedOutError, OperationCanceledError: as the waiter says.
    """
    library_headers, key = _library_request(request)
    question = _Question(request, library_headers, key)
    head, is_granted, rest = ask(transport, waiter, question)
    if not is_granted:
        has_own = request.own("authorization") is not None
        advice = request.authentication.advice(head, has_own_header=has_own) or _advice_for(head)
        raise HttpStatusError(
            f"the server answered {head.status_code} {shown_text(head.reason)}".rstrip() + advice,
            status_code=head.status_code,
            headers=head.headers,
            body=rest,
        )
    _check_answer(head, key, question.accept)
    subprotocol = _chosen_subprotocol(head, request.subprotocols)
    agreement = _agreed_compression(head, request.compression)
    return HandshakeResult(subprotocol, head.headers, rest, agreement)


def _library_request(request: OpeningRequest) -> tuple[bytes, str]:
    """Return the headers that websocket-client makes, Host among them, and its key."""
    header = {}
    if request.compression is not None:
        header["Sec-WebSocket-Extensions"] = offer_of(request.compression)
    if request.subprotocols:
        # Not through the library's own option: that refuses a server which chooses none, and changes the case.
        header["Sec-WebSocket-Protocol"] = ", ".join(request.subprotocols)
    host = _unknown_host()
    library, _ = _library()
    options = {"header": header, "host": request.host, "suppress_origin": True}
    lines, key = library._get_handshake_headers("/", f"ws://{host}/", host, 80, options)
    if lines[0] != _LIBRARY_REQUEST_LINE or lines[-2:] != ["", ""] or not key:
        raise HandshakeError("websocket-client made a request of an unknown form")
    return "\r\n".join(lines[1:-1]).encode(), key


@functools.cache
def _library() -> "tuple[Any, Callable[[bytes], hashlib._Hash]]":
    """Return websocket-client's module for the handshake, and SHA-1, which loads OpenSSL.

    Of the module the two functions are called that make and check; not handshake() around them, which asks a socket for
    the answer byte by byte: that takes longer than all the rest of the handshake.

    Raises:
        WebSocketError: there is no such module, or another one that has the name (0x80004005).
    """
    # Here and not above: importing it takes longer than all the rest of this package, and most of a program's start.
    with loading():
        from hashlib import sha1

        try:
            from websocket import _handshake
        except ImportError as exc:
            # The name that a first program about WebSockets gets, and that a package of another kind has, too.
            why = f"{exc.path!r} is found in its place: rename or uninstall that" if exc.path else exc
            raise WebSocketError(f"the opening handshake needs websocket-client, module websocket: {why}") from exc
    return _handshake, sha1


@functools.cache
def _unknown_host() -> str:
    """Return a name without a dot that nobody can guess: no entry of the library's cookie jar can match it."""
    return os.urandom(16).hex()


def _refusal(message: str, hresult: int = HResult.WININET_E_INVALID_SERVER_RESPONSE) -> HandshakeError:
    return HandshakeError(f"the server's answer is not a valid WebSocket handshake: {message}", hresult=hresult)


def _lack(header: str, value: str) -> HandshakeError:
    """Return the error for an answer without a header; `value` is what that has instead, "" for none."""
    name, _, _ = header.partition(":")
    instead = f", but '{name}: {shown_text(value)}'" if value else ""
    return _refusal(f"it has no header '{header}'{instead}")


def _accept_for(key: str) -> str:
    """Return the value of Sec-WebSocket-Accept that answers a key (RFC 6455 4.2.2 item 5)."""
    _, sha1 = _library()
    return base64.b64encode(sha1(key.encode("ascii") + _ACCEPT_GUID).digest()).decode("ascii")


def _chosen_subprotocol(head: Head, offered: Sequence[str]) -> str:
    """Return the subprotocol that the server chose (RFC 6455 4.1 item 6)."""
    chosen = head.all_of("sec-websocket-protocol")
    if not chosen:
        if offered:
            _logger.info("the server chose no subprotocol, of %d that were offered", len(offered))
        return ""
    if len(chosen) > 1 or chosen[0] not in offered:
        raise _refusal(_about_subprotocols(chosen, offered), HResult.E_SUBPROTOCOL_NOT_SUPPORTED)
    return chosen[0]


def _about_subprotocols(chosen: Sequence[str], offered: Sequence[str]) -> str:
    """Say what is wrong with the server's choice."""
    # Among those offered may be a bearer token, which is not shown; neither is then what the server made of them.
    among = f"; offered were {len(offered)} by control.supported_protocols"
    if len(chosen) > 1:
        return f"it chose {len(chosen)} subprotocols{among}"
    if not chosen[0]:
        return "its header Sec-WebSocket-Protocol is empty"
    if not offered:
        return (
            f"it chose the subprotocol '{shown_text(chosen[0])}', and none was offered: "
            "control.supported_protocols offers it"
        )
    if chosen[0].lower() in map(str.lower, offered):
        return f"it chose a subprotocol that differs from an offered one in upper and lower case{among}"
    return f"it chose a subprotocol that was not among those offered{among}"


def _agreed_compression(head: Head, offered: Agreement | None) -> Agreement | None:
    """Return what the server made of the offer (RFC 6455 4.1 item 5, RFC 7692 7.1); it may ignore it."""
    answer = ", ".join(filter(None, head.all_of("sec-websocket-extensions")))
    if not answer:
        if offered is not None:
            _logger.info("the server does not compress: it did not accept permessage-deflate")
        return None
    try:
        if offered is None:
            raise BadAnswerError(f"turned on the extension {answer[:80]!r}, which was not offered")
        return read_answer(answer, offered)
    except BadAnswerError as exc:
        raise _refusal(f"it {exc}", HResult.E_PROTOCOL_EXTENSIONS_NOT_SUPPORTED) from exc


class _Question:
    """The opening handshake as asking.ask() wants it.

    Attributes:
        accept: what is to answer the key; known when the request is out.
    """

    is_exact = False
    accept = ""

    def __init__(self, request: OpeningRequest, library_headers: bytes, key: str) -> None:
        """Take what is asked, and the headers and the key that websocket-client made."""
        self._request = request
        self._library_headers = library_headers
        self._key = key
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
        self.accept = _accept_for(self._key)
        self._request.meanwhile()

    def is_granted(self, head: Head) -> bool:
        self._request.cookies.keep(self._request.uri, head.octets_of("set-cookie"))
        return head.status_code == 101

    def refusal(self, why: str) -> HandshakeError:
        return _refusal(why)

    def silence(self, failure: ConnectionLostError | None) -> WebSocketError:
        return failure or ConnectionLostError("the server ended the connection before it answered the handshake")

    def cut(self, hresult: int) -> WebSocketError:
        return ConnectAbortedError("the server ended the connection in the middle of its answer", hresult=hresult)


def _check_answer(head: Head, key: str, expected: str) -> None:
    """Check what RFC 6455 4.1 asks of the answer, except subprotocol and extensions; `expected` answers the key."""
    # As bytes: to str.lower() and str.strip() there are letters and spaces beyond ASCII that pass for these.
    upgrades = head.all_of("upgrade")
    if len(upgrades) > 1:
        raise _refusal(f"it has {len(upgrades)} Upgrade headers, where one is allowed")
    upgrade = "".join(upgrades)
    if upgrade.encode().lower() != b"websocket":
        raise _lack("Upgrade: websocket", upgrade)
    connection = ",".join(head.all_of("connection"))
    options = connection.encode().lower()
    if options != b"upgrade" and b"upgrade" not in [token.strip(b" \t") for token in options.split(b",")]:
        raise _lack("Connection: Upgrade", connection)
    accept = head.all_of("sec-websocket-accept")
    if len(accept) > 1:
        raise _refusal(f"it has {len(accept)} Sec-WebSocket-Accept headers, where one is allowed")
    if not accept or (accept != [expected] and not _is_base64(accept[0])):
        raise _refusal("it has no valid Sec-WebSocket-Accept header")
    library, _ = _library()
    # Only what the library checks: what it does not see it cannot carry to another connection.
    seen = {"upgrade": "websocket", "connection": connection, "sec-websocket-accept": accept[0]}
    is_valid, _ = library._validate(seen, key, None)
    # To the letter (RFC 6455 4.1 item 4); the library ignores its case.
    if not is_valid or accept != [expected]:
        raise _refusal("Sec-WebSocket-Accept does not answer our key")


def _advice_for(head: Head) -> str:
    """Return what to do about an answer that is not 101; begins with a colon or empty."""
    spoken = ", ".join(head.all_of("sec-websocket-version"))
    if spoken:
        is_ours = "13" in [version.strip(" \t") for version in spoken.split(",")]
        return "" if is_ours else f": it speaks version {shown_text(spoken)} of the protocol, this client version 13"
    # These two are for one hop (RFC 9110 7.6.1), so that nginx, say, passes them on only when told to.
    if head.status_code == 426 and "websocket" in ", ".join(head.all_of("upgrade")).lower():
        return ": it has not got our Upgrade and Connection, which a reverse proxy must pass on"
    if head.status_code < 300 or head.status_code in (404, 405, 426):
        return (
            ": that is ordinary HTTP, not a WebSocket; are path and port right, and do reverse proxies pass on Upgrade?"
        )
    # WebSocket servers answer like this too, such as `websockets` to a client without a subprotocol that it wants.
    if head.status_code == 400:
        return ": are path, headers and subprotocols what it expects? error.body may tell"
    if head.status_code == 403:
        return ": it may want an Origin, a cookie or a token; error.body may tell"
    location = ", ".join(head.all_of("location"))
    if head.status_code in REDIRECTS and location:
        return f": that leads to {shown_url(location)}; control.max_redirects says how far to follow"
    return ""


def _is_base64(value: str) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == 20
    except (binascii.Error, ValueError):
        return False
