"""SOCKS4, 4a and 5 (RFC 1928, 1929) on a transport: socksio makes the requests and reads the answers.

Runs on the connecting thread.
"""

from typing import TYPE_CHECKING, Any

from syncws._net.exchange import receive_exactly, send_all
from syncws._net.transport import Transport
from syncws._waiting.at_fork import loading
from syncws._waiting.waiter import Waiter
from syncws._wire.proxy_url import ProxyUrl
from syncws.errors import HandshakeError, ProxyError
from syncws.hresult import HResult

if TYPE_CHECKING:
    import socksio

__all__ = ["ask_socks"]

_SOCKS4_REPLY_BYTES = 8
# Why a SOCKS4 proxy refuses; 0x5C and 0x5D are about our identity.
_SOCKS4_WORDS = {
    0x5B: "request rejected or failed",
    0x5C: "it cannot reach an identd here",
    0x5D: "the identd here names another user",
}
# RFC 1928 6: what comes after the type of the address that the proxy bound, the port included; of a name its length.
_BYTES_OF_ADDRESS_TYPE = {1: 6, 3: 1, 4: 18}
_HRESULT_OF_SOCKS5_REPLY = {
    3: HResult.WININET_E_SERVER_UNREACHABLE,  # network unreachable
    4: HResult.WININET_E_SERVER_UNREACHABLE,  # host unreachable
    5: HResult.WININET_E_CANNOT_CONNECT,  # connection refused
    6: HResult.WININET_E_SERVER_UNREACHABLE,  # TTL expired
}
# Not allowed by its rules; CONNECT, or this type of address, it does not know.
_FINAL_SOCKS5_REPLIES = (2, 7, 8)


def ask_socks(transport: Transport, waiter: Waiter, proxy: ProxyUrl, host: str, port: int) -> None:
    """Have a SOCKS proxy connect to `host`; reads not a single byte beyond its answers.

    Raises:
        ProxyError: it hangs up (0x80072F85), does not let us in (0x80190197), or does not reach the host (0x80072EFD,
            0x80072F84, else 0x80072F85).
        HandshakeError: its answer is not SOCKS (0x80072F78).
        OSError: the transport's; OperationTimedOutError and OperationCanceledError as the waiter says.
    """
    with loading():
        import socksio

    talk = _Talk(transport, waiter, proxy)
    try:
        if proxy.meaning.protocol == "socks4":
            _ask_socks4(talk, host, port)
        else:
            _ask_socks5(talk, host, port)
    except socksio.ProtocolError as exc:
        raise talk.garbage(str(exc)) from exc


class _Talk:
    """What both versions need of the pipe, and their errors."""

    def __init__(self, transport: Transport, waiter: Waiter, proxy: ProxyUrl) -> None:
        self._transport = transport
        self._waiter = waiter
        self.proxy = proxy

    def ask(self, connection: Any, request: object) -> None:
        """Send what socksio's connection makes of a request."""
        connection.send(request)
        send_all(self._transport, self._waiter, connection.data_to_send())

    def receive(self, size: int) -> bytes:
        data = receive_exactly(self._transport, self._waiter, size)
        if len(data) < size:
            raise ProxyError(f"the proxy {self.proxy.shown_with_origin} ended the connection before it answered")
        return data

    def garbage(self, why: str) -> HandshakeError:
        return HandshakeError(
            f"the answer of the proxy {self.proxy.shown_with_origin} is not {self.proxy.scheme}: {why}"
        )

    def not_let_in(self, why: str) -> ProxyError:
        return ProxyError(
            f"the proxy {self.proxy.shown_with_origin} does not let us in: {why}",
            hresult=HResult.HTTP_E_STATUS_PROXY_AUTH_REQ,
        )

    def refusal(self, host: str, port: int, why: str, hresult: int | None = None) -> ProxyError:
        message = f"the proxy {self.proxy.shown_with_origin} cannot connect to {host} port {port}: {why}"
        return ProxyError(message, hresult=hresult, is_about_server=True)


def _ask_socks4(talk: _Talk, host: str, port: int) -> None:
    import socksio

    login = talk.proxy.login
    user_id = b"" if login is None else login.user_name.encode()
    connection = socksio.SOCKS4Connection(user_id)
    request: socksio.SOCKS4Request | socksio.SOCKS4ARequest
    try:
        # With the user id here as well: an empty one the library would take for none.
        request = socksio.SOCKS4Request.from_address(socksio.SOCKS4Command.CONNECT, (host, port), user_id)
    except socksio.SOCKSError:
        # Not an IPv4 address; the library's own form would send an IPv6 address in binary for a name.
        request = socksio.SOCKS4ARequest(socksio.SOCKS4Command.CONNECT, port, host.encode(), user_id)
    talk.ask(connection, request)
    answer = talk.receive(_SOCKS4_REPLY_BYTES)
    reply = connection.receive_data(answer)
    if reply.reply_code is socksio.SOCKS4ReplyCode.REQUEST_GRANTED:
        return
    words = _SOCKS4_WORDS[answer[1]]
    if reply.reply_code is socksio.SOCKS4ReplyCode.REQUEST_REJECTED_OR_FAILED:
        raise talk.refusal(host, port, words)
    raise talk.not_let_in(words)


def _ask_socks5(talk: _Talk, host: str, port: int) -> None:
    import socksio

    connection = socksio.SOCKS5Connection()
    _log_in(talk, connection)
    talk.ask(connection, socksio.SOCKS5CommandRequest.from_address(socksio.SOCKS5Command.CONNECT, (host, port)))
    answer = talk.receive(4)
    if answer[0] != 5:
        raise talk.garbage(f"it begins with {answer!r}")
    if answer[1]:
        # The rest says nothing, and some proxies leave it out.
        try:
            words = socksio.SOCKS5ReplyCode(answer[1:2]).name.replace("_", " ").lower()
        except ValueError:
            words = f"reply {answer[1]}"
        refusal = talk.refusal(host, port, words, _HRESULT_OF_SOCKS5_REPLY.get(answer[1]))
        if answer[1] in _FINAL_SOCKS5_REPLIES:
            refusal._is_transient = False
        raise refusal
    if answer[3] not in _BYTES_OF_ADDRESS_TYPE:
        raise talk.garbage(f"it has an address of type {answer[3]}")
    # The address that the proxy bound is of no use here, and socksio takes no name over 127 bytes.
    bound = talk.receive(_BYTES_OF_ADDRESS_TYPE[answer[3]])
    if answer[3] == 3:
        talk.receive(bound[0] + 2)


def _log_in(talk: _Talk, connection: "socksio.SOCKS5Connection") -> None:
    """Agree on a method of authentication, and carry it out (RFC 1928 3, RFC 1929)."""
    import socksio

    login = talk.proxy.login
    methods = [socksio.SOCKS5AuthMethod.NO_AUTH_REQUIRED]
    if login is not None:
        methods.append(socksio.SOCKS5AuthMethod.USERNAME_PASSWORD)
    talk.ask(connection, socksio.SOCKS5AuthMethodsRequest(methods))
    answer = talk.receive(2)
    if answer[0] != 5:
        raise talk.garbage(f"it begins with {answer!r}")
    connection.receive_data(answer)
    method = socksio.SOCKS5AuthMethod(answer[1:2])
    if method is socksio.SOCKS5AuthMethod.NO_ACCEPTABLE_METHODS:
        wanted = "a user name and a password" if login is None else "something other than a user name and a password"
        raise talk.not_let_in(f"it wants {wanted}")
    if method not in methods:
        raise talk.garbage(f"it chose the method {answer[1]}, which was not offered")
    if method is socksio.SOCKS5AuthMethod.USERNAME_PASSWORD:
        assert login is not None
        talk.ask(connection, socksio.SOCKS5UsernamePasswordRequest(login.user_name.encode(), login.password.encode()))
        answer = talk.receive(2)
        if answer[0] != 1:
            raise talk.garbage(f"it answers the password with {answer!r}")
        connection.receive_data(answer)
        if answer[1]:
            raise talk.not_let_in("it refuses the user name or the password")
