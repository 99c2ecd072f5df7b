"""The control objects of both socket classes: every setting, and connect()'s keywords for them.

Any thread may read and set; connect() freezes the settings, and the connection works with a copy. A setting is one
assignment in a class body, and its keyword one line in _arguments/keywords.py.
"""

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from syncws._arguments.checks import MAX_UINT32, check_bool, check_timeout
from syncws._arguments.kept_settings import KeptSettings
from syncws._arguments.keywords import MessageWebSocketSettings, StreamWebSocketSettings, WebSocketSettings
from syncws._arguments.settable import Settable
from syncws._arguments.setting import ListSetting, Setting
from syncws._arguments.setting_checks import (
    as_compression,
    as_message_type,
    as_receive_mode,
    check_authorities,
    check_client_certificate,
    check_cookies,
    check_credential,
    check_interval,
    check_keep_alive_timeout,
    check_proxy,
    check_resolver,
    check_ssl_context,
    check_user_agent,
    number_from,
    shown_cookies,
    shown_subprotocols,
)
from syncws._arguments.socket_options import LocalAddress, SocketOption, check_local_address, check_socket_options
from syncws._certificates.errors import check_ignorable_errors
from syncws._errors.bare import raising_bare
from syncws._version import __version__
from syncws._wire.frame_decoder import NO_LIMIT
from syncws._wire.headers import check_subprotocols
from syncws._wire.shown import shown_url
from syncws.certificates import Certificate
from syncws.compression import Deflate
from syncws.credentials import PasswordCredential
from syncws.enums import ChainValidationResult, MessageWebSocketReceiveMode, SocketMessageType
from syncws.errors import IllegalMethodCallError

if TYPE_CHECKING:
    import os
    import ssl
    from http.cookiejar import CookieJar

__all__ = [
    "MessageWebSocketControl",
    "MessageWebSocketSettings",
    "StreamWebSocketControl",
    "StreamWebSocketSettings",
    "WebSocketControl",
    "WebSocketSettings",
]

_LARGEST_MESSAGE = 64 * 1024 * 1024
# A faster heartbeat than this helps nobody.
_SHORTEST_PONG_INTERVAL = dt.timedelta(milliseconds=100)


class WebSocketControl(KeptSettings, Settable):
    """Settings of either socket class; what WinRT calls IWebSocketControl2, and more. Not for use by itself.

    Times are in seconds; None means for ever.
    """

    # Read by _net, because a MessageWebSocket never delays.
    _no_delay: bool = True
    _actual_unsolicited_pong_interval = dt.timedelta()

    connect_timeout: Setting[float | None] = Setting(
        60.0, check_timeout, """Seconds for each address: TCP, TLS and handshake (beyond WinRT, where it is fixed)."""
    )
    max_connect_addresses: Setting[int] = Setting(
        5, number_from(1, 100), """How many of a name's addresses are tried (beyond WinRT, where it is fixed)."""
    )
    happy_eyeballs_delay: Setting[float | None] = Setting(
        None,
        check_timeout,
        """Seconds after which the next address is tried along with those before it (beyond WinRT, RFC 8305).

        None, the default: an address is given up before the next is tried. RFC 8305 recommends 0.25. The first to
        accept is taken, the others are dropped.
        """,
    )
    local_address: Setting[LocalAddress | None] = Setting(
        None,
        check_local_address,
        """The address of this machine to connect from: "192.0.2.1", or with a port ("192.0.2.1", 5000) (beyond WinRT).

        None, the default: the system chooses. Servers, or proxies, of the other family cannot be reached from it. With
        a port of your own only one connection at a time can be tried; SO_REUSEADDR makes the port free again soon.
        Has no effect on a socket that connect() is given, or on Unix sockets.
        """,
    )
    socket_options: ListSetting[SocketOption] = ListSetting(
        check_socket_options,
        """Options of the socket, set before it connects and after our own; edit the sequence (beyond WinRT).

        Triples as setsockopt takes them, (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1); or pairs by name, as in
        ("SO_KEEPALIVE", 1) and ("TCP_USER_TIMEOUT", 30_000), for names that begin with `SO_`, `TCP_`, `IP_` or `IPV6_`.
        An option that the system refuses makes the connect fail; the error names it.
        """,
    )
    outbound_buffer_size_in_bytes: Setting[int] = Setting(
        0,
        number_from(0, 0x7FFF_FFFF),
        """Size of the socket's send buffer, SO_SNDBUF; 0 leaves it to the system.

        Source: IWebSocketControl.OutboundBufferSizeInBytes, which does nothing after connect.
        """,
    )
    resolver: Setting[Any] = Setting(
        None,
        check_resolver,
        """A dns.resolver.Resolver of dnspython, which is then the only one asked (beyond WinRT).

        None, the default: the system's name servers are asked and, when those find nothing, the system's own resolver,
        which is asked first for names under .local. IP addresses, localhost and names in the hosts file are never asked
        for. Its `lifetime` bounds each lookup, in addition to the limits of the connect.
        """,
    )
    max_redirects: Setting[int] = Setting(
        0,
        number_from(0, 100),
        """How many of the server's redirects are followed (beyond WinRT).

        A redirect that is not followed is an HttpStatusError with its status and `location`. One that is followed may
        lead to http and https, which stand for ws and wss, but never from wss to ws. Another scheme, host or port is
        sent no credentials and no client certificate, and of the request headers only Origin, User-Agent and
        Accept-Language; but what an ssl_context of your own holds stays in it, and the subprotocols are offered there
        too: follow no redirects with a token among them.
        """,
    )
    supported_protocols: ListSetting[str] = ListSetting(
        check_subprotocols,
        """Subprotocols to offer, best first; edit the sequence (….SupportedProtocols).""",
        show=shown_subprotocols,
    )
    user_agent: Setting[str | None] = Setting(
        f"syncws/{__version__}",
        check_user_agent,
        """What the opening handshake says about the program, in the header User-Agent (beyond WinRT); None sends none.

        A User-Agent that set_request_header sets is sent instead. No proxy sees it.
        """,
    )
    cookies: "Setting[CookieJar | Mapping[str, str] | None]" = Setting(
        None,
        check_cookies,
        """Cookies to send: names and values, or a jar of http.cookiejar, which the server fills (beyond WinRT).

        A mapping is for the URI's host only, and what the server sets is kept for this connect only. A jar is sent and
        filled by the standard library's rules (domain, path, Secure, for which wss counts as https), also by redirects
        and refusals; so is the one in httpx's Cookies. Give one jar to several sockets and they share it.

        With None, the default, only what a redirect or a 401 sets is sent, and only in the same connect. A header
        Cookie that set_request_header sets is sent instead of these.
        """,
        show=shown_cookies,
    )
    server_credential: Setting[PasswordCredential | None] = Setting(
        None,
        check_credential,
        """Credential for the server's HTTP challenge; None, the default, for none (….ServerCredential).

        Sent after a 401 that asks for it: by Digest (RFC 7616; SHA-256 or MD5, qop auth or none) where that is offered,
        else by Basic, which over ws anybody on the way can read. It goes over the same connection if the answer allows
        that, else over a new one, within the same time. What was refused is not sent again. Negotiate and NTLM are not
        answered: set a header Authorization for them. Not sent along with such a header, or to another origin.
        """,
    )
    proxy: Setting[str | None] = Setting(
        None,
        check_proxy,
        """URL of the proxy to go through; "" for none; None, the default, for the environment's (beyond WinRT).

        http://, https:// (TLS to the proxy), socks4://, socks4a://, socks5:// or socks5h://, with host and port (80,
        443 and 1080 when left out), and user_name:password@ before them if the proxy asks for that. With socks4 and
        socks5 names are looked up here, with the others by the proxy. socks://, as desktops have it in all_proxy, is
        socks5h://. SOCKS needs an extra: pip install "syncws[socks]".

        None takes for wss the first of the environment variables wss_proxy, https_proxy and all_proxy, and for ws the
        first of ws_proxy, http_proxy and all_proxy, unless no_proxy names the server; each also in capitals. When none
        of these is set, it takes the settings of Windows or macOS. An entry of no_proxy that cannot be read exempts
        nothing, and is logged once, at WARNING on `syncws.connect`.
        """,
        show=lambda proxy: proxy and shown_url(proxy),
    )
    proxy_credential: Setting[PasswordCredential | None] = Setting(
        None,
        check_credential,
        """Credential for the proxy; None, the default, for the user info of the proxy's URL (….ProxyCredential).

        Sent to an HTTP proxy after its 407, as server_credential is; to a SOCKS5 proxy as RFC 1929 has it; a SOCKS4
        proxy gets only the user name. Never sent to the server, or to another proxy that a redirect leads through. For
        a proxy that wants Negotiate or NTLM, a local one such as px or cntlm can log in.
        """,
    )
    proxy_ssl_context: "Setting[ssl.SSLContext | None]" = Setting(
        None,
        check_ssl_context,
        """TLS settings of your own for an https proxy; None, the default, for the system's authorities (beyond WinRT).

        For the proxy only: ssl_context and ca_file are for the server, behind a proxy too.
        """,
    )
    ssl_context: "Setting[ssl.SSLContext | None]" = Setting(
        None,
        check_ssl_context,
        """TLS settings of your own for wss; None, the default, means as ca_file says (beyond WinRT).

        For the server only, behind a proxy too: proxy_ssl_context is for an https proxy.
        """,
    )
    ca_file: "Setting[str | os.PathLike[str] | None]" = Setting(
        None,
        check_authorities,
        """Path of authorities to trust: a file with certificates in PEM form, or a folder of them (beyond WinRT).

        They are trusted in addition to the system's, unless trusts_system_authorities is False. None, the default, for
        the system's alone. A folder's files must have the hashed names that `openssl rehash FOLDER` gives them. Read
        before anything is sent: connect() raises InvalidArgumentError (0x80070057) for what cannot be read. A change of
        the file counts from the next connect on, one in a folder after five minutes at the latest. For the server only,
        and not together with an ssl_context, which has authorities of its own.
        """,
    )
    trusts_system_authorities: Setting[bool] = Setting(
        True,
        check_bool,
        """Whether the system's authorities are trusted; False leaves only those of ca_file (beyond WinRT).

        The environment variables SSL_CERT_FILE and SSL_CERT_DIR replace the system's where they are set.
        """,
    )
    client_certificate: Setting[Certificate | None] = Setting(
        None,
        check_client_certificate,
        """Certificate to show to a server that asks by TLS; None, the default, for none (….ClientCertificate).

        Shown to the server only, never to a proxy, together with its intermediate_certificates. Make one with
        Certificate.from_pem or Certificate.from_pkcs12. Over ws it has no effect.

        With an ssl_context the connection is made with a copy of its versions, ciphers and options that has this
        certificate. The server is checked by the ssl_context's own rules before it sees the certificate. That context
        must allow TLS 1.2, and have no sslobject_class or wrap_bio of its own: connect() raises InvalidArgumentError
        (0x80070057).
        """,
    )
    ignorable_server_certificate_errors: ListSetting[ChainValidationResult] = ListSetting(
        check_ignorable_errors,
        """Errors of the server's certificate to let pass; edit the sequence (….IgnorableServerCertificateErrors).

        Each entry relaxes its own check and no other: a certificate that is self-signed and for another name needs
        UNTRUSTED and INVALID_NAME. These can be let pass: UNTRUSTED, EXPIRED (also not yet valid), INCOMPLETE_CHAIN,
        WRONG_USAGE (of the server's own certificate, not of an authority's), INVALID_NAME,
        REVOCATION_INFORMATION_MISSING and REVOCATION_FAILURE. When the issuer of the last certificate that came is not
        known, nobody can tell whether a certificate is missing or the authority is unknown: that counts as UNTRUSTED
        and INCOMPLETE_CHAIN, and either entry lets it pass. information.server_certificate_errors has all errors that
        were found, ignored or not; OTHER_ERRORS, which nothing lets pass, may mean that not everything could be
        checked.

        With an ssl_context that checks revocation, only two errors pass: EXPIRED, and, when it asks about the server's
        certificate alone (VERIFY_CRL_CHECK_LEAF), REVOCATION_INFORMATION_MISSING. Behind any other error the
        certificate may be revoked, which Python can no longer ask. So REVOCATION_FAILURE never passes.

        With an ssl_context that verifies, the connection is made with a copy of its versions, ciphers and options; a
        client certificate that it holds is not in that copy: set client_certificate. It must allow TLS 1.2, and have
        no sslobject_class or wrap_bio of its own: connect() raises InvalidArgumentError (0x80070057).
        """,
    )
    send_timeout: Setting[float | None] = Setting(
        30.0,
        check_timeout,
        """Seconds that a send may wait while the server takes nothing (beyond WinRT, where it is fixed).

        It bounds the wait for other senders, and then starts again whenever the server takes something: in all, a large
        message on a slow line may take longer.
        """,
    )
    receive_timeout: Setting[float | None] = Setting(
        30.0,
        check_timeout,
        """Seconds that one receive(), read or load may take (beyond WinRT, where it is fixed).

        A timeout loses nothing: what has arrived, and what comes later, is there for the next call. It never ends a
        quiet connection.
        """,
    )
    close_timeout: Setting[float | None] = Setting(
        10.0, check_timeout, """Seconds that closing may take, the server's answer included (beyond WinRT)."""
    )
    inbox_size_in_bytes: Setting[int] = Setting[int].depending(
        lambda control: control._inbox_size(),
        number_from(1, MAX_UINT32),
        """Bytes of memory that may wait to be taken before reading stops (beyond WinRT).

        Default: 16 MiB for the messages of a MessageWebSocket, and 1 MiB for a StreamWebSocket. The number of messages
        that may wait is bounded too: one for each 512 bytes of it (32,768 by default), but at least 1,024. Reading goes
        on when half of it is free again; until then TCP holds the server back, and its pings are not answered. A single
        message may be larger. With handlers of message_received nothing waits, except while one of them takes long.
        """,
    )
    keep_alive_interval: Setting[float | None] = Setting(
        20.0,
        check_timeout,
        """Seconds without a byte from the server after which it is pinged; 0 or None for never (beyond WinRT).

        Time during which this side does not read, because inbox_size_in_bytes is used up, does not count.
        """,
    )
    keep_alive_timeout: Setting[float | None] = Setting(
        20.0,
        check_keep_alive_timeout,
        """Seconds that the server has to answer that ping; None for ever (beyond WinRT).

        Any byte will do. When none comes, receiving raises ConnectionLostError, and closed has 1011 and the reason.
        """,
    )
    desired_unsolicited_pong_interval: Setting[dt.timedelta] = Setting(
        dt.timedelta(),
        check_interval,
        """Time between unsolicited Pong frames, a heartbeat (….DesiredUnsolicitedPongInterval).

        timedelta(0) for none. Any time above that is taken as at least 100 ms. See RFC 6455 5.5.3.
        """,
    )
    compression: Setting[Deflate | bool | None] = Setting(
        None,
        as_compression,
        """A Deflate, or True for Deflate(): compresses messages. Default: None (beyond WinRT).""",
    )

    @property
    def actual_unsolicited_pong_interval(self) -> dt.timedelta:
        """The interval in use since connect: the desired one, but at least 100 ms; timedelta(0) before, and for none.

        Source: ….ActualUnsolicitedPongInterval.
        """
        return self._actual_unsolicited_pong_interval

    def _thaw(self) -> None:
        super()._thaw()
        self._actual_unsolicited_pong_interval = dt.timedelta()

    def _set_connected(self) -> None:
        if self._desired_unsolicited_pong_interval:
            self._actual_unsolicited_pong_interval = self._pong_interval

    @property
    def _pong_interval(self) -> dt.timedelta:
        desired = self._desired_unsolicited_pong_interval
        return max(desired, _SHORTEST_PONG_INTERVAL) if desired else desired


class MessageWebSocketControl(WebSocketControl):
    """Settings of a MessageWebSocket (Windows.Networking.Sockets.MessageWebSocketControl).

    Comes from `MessageWebSocket.control`; cannot be made. Set everything before connect: afterwards setting any
    property but message_type raises IllegalMethodCallError (0x8000000E). After a connect that failed they may be set
    again.
    """

    _message_type: SocketMessageType
    _default_inbox_size = 16 * 1024 * 1024

    message_type: Setting[SocketMessageType] = Setting(
        SocketMessageType.BINARY,
        as_message_type,
        """Type of the messages that are written (MessageWebSocketControl.MessageType).

        May be changed at any time. The value when the data is stored counts, not that when it is put into a DataWriter.
        """,
        is_settable_after_connect=True,
    )
    receive_mode: Setting[MessageWebSocketReceiveMode] = Setting(
        MessageWebSocketReceiveMode.FULL_MESSAGE,
        as_receive_mode,
        """Whether events carry whole messages or pieces (MessageWebSocketControl.ReceiveMode).

        With PARTIAL_MESSAGE message_received is raised for each piece as it arrives, even in the middle of a frame; see
        is_message_complete of its args. Messages of any size then take no memory.
        """,
    )
    max_message_size: Setting[int] = Setting[int].depending(
        lambda control: min(control._message_limit(), MAX_UINT32),
        number_from(0, MAX_UINT32, "0xFFFFFFFF for no limit"),
        """Bytes that an incoming message may have; 0xFFFFFFFF for no limit (MessageWebSocketControl.MaxMessageSize).

        Default: 64 MiB; no limit, as always in WinRT, when receive_mode is PARTIAL_MESSAGE, where messages take no
        memory. For a larger message message_received is raised, whose args raise MessageTooBigError, and the connection
        is closed with 1009.
        """,
    )
    discard_unclaimed_messages: Setting[bool] = Setting(
        False,
        check_bool,
        """Whether messages that nobody takes when they arrive are thrown away, as Windows does (beyond WinRT).

        True, for a program that only sends: what arrives while there is no message_received handler and no receive()
        runs is dropped, and counted in information.discarded_messages. So reading never stops, pings are answered and
        the server's Close is noticed. What comes between two calls of receive() is dropped too, as are pieces of a
        message with PARTIAL_MESSAGE. False, the default: messages wait; see inbox_size_in_bytes.
        """,
    )

    @raising_bare
    def update(self, **settings: Unpack[MessageWebSocketSettings]) -> None:
        """Set several settings, all or none (beyond WinRT). A list may be any iterable; it replaces the entries.

        Raises:
            TypeError: there is no setting of that name.
            InvalidArgumentError, InvalidArgumentTypeError, IllegalMethodCallError: as the settings say.
        """
        self._update(settings)

    def _message_limit(self) -> int:
        if (limit := self._max_message_size) is None:
            return NO_LIMIT if self._receive_mode else _LARGEST_MESSAGE
        return NO_LIMIT if limit == MAX_UINT32 else limit

    def _check_settable(self) -> None:
        if self._is_frozen:
            raise IllegalMethodCallError("control cannot be changed after connect was called; only message_type can")


class StreamWebSocketControl(WebSocketControl):
    """Settings of a StreamWebSocket (Windows.Networking.Sockets.StreamWebSocketControl).

    Comes from `StreamWebSocket.control`; cannot be made. Set everything before connect: afterwards setting any property
    raises IllegalMethodCallError (0x8000000E). After a connect that failed they may be set again.
    """

    _default_inbox_size = 1024 * 1024

    no_delay: Setting[bool] = Setting(
        True,
        check_bool,
        """Whether small writes leave at once (StreamWebSocketControl.NoDelay).

        It is TCP_NODELAY: False turns on Nagle's algorithm, which waits for the server to acknowledge what was sent.
        """,
    )

    @raising_bare
    def update(self, **settings: Unpack[StreamWebSocketSettings]) -> None:
        """Set several settings, all or none; see MessageWebSocketControl.update."""
        self._update(settings)
