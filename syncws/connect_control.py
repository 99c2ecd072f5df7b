"""The settings that matter while connecting: names, addresses, proxy, credentials, TLS. A part of both control objects.

May import certificate_errors, certificates, checked_list, checks, credentials, enums, errors, keep_alive_control and
wire. Properties may be read and set on any thread; connect() freezes them.
"""

import ssl
from collections.abc import MutableSequence
from typing import Any

from syncws._arguments.checked_list import CheckedList
from syncws._arguments.checks import check_number, check_timeout
from syncws._certificates.errors import check_ignorable_errors
from syncws._wire.proxy_url import parse_proxy_url
from syncws.certificates import Certificate
from syncws.credentials import PasswordCredential
from syncws.enums import ChainValidationResult
from syncws.errors import InvalidArgumentError, InvalidArgumentTypeError
from syncws.keep_alive_control import KeepAliveControl

__all__ = ["ConnectControl"]


def _check_credential(value: PasswordCredential | None, what: str) -> PasswordCredential | None:
    if value is None:
        return None
    if not isinstance(value, PasswordCredential):
        raise InvalidArgumentTypeError(f"{what} must be a PasswordCredential or None, not {type(value).__name__}")
    if not value.user_name or not value.password:
        raise InvalidArgumentError(f"{what} must have a user name and a password")
    return value


class ConnectControl(KeepAliveControl):
    """The base of WebSocketControl that holds these settings. Not for use by itself."""

    __slots__ = (
        "_client_certificate",
        "_connect_timeout",
        "_happy_eyeballs_delay",
        "_ignorable_errors",
        "_max_connect_addresses",
        "_max_redirects",
        "_proxy",
        "_proxy_credential",
        "_resolver",
        "_server_credential",
        "_ssl_context",
    )

    _ignorable_errors: CheckedList[ChainValidationResult]
    _resolver: Any
    _server_credential: PasswordCredential | None
    _proxy: str | None
    _proxy_credential: PasswordCredential | None
    _connect_timeout: float | None
    _max_connect_addresses: int
    _max_redirects: int
    _happy_eyeballs_delay: float | None
    _ssl_context: ssl.SSLContext | None
    _client_certificate: Certificate | None

    def _set_defaults(self) -> None:
        super()._set_defaults()
        self._ignorable_errors = CheckedList(self._check_settable, check_ignorable_errors)
        self._resolver = None
        self._server_credential = None
        self._proxy = None
        self._proxy_credential = None
        self._connect_timeout = 60.0
        self._max_connect_addresses = 5
        self._max_redirects = 0
        self._happy_eyeballs_delay = None
        self._ssl_context = None
        self._client_certificate = None

    @property
    def ignorable_server_certificate_errors(self) -> MutableSequence[ChainValidationResult]:
        """Errors of the server's certificate that are let pass; default none (….IgnorableServerCertificateErrors).

        Edit the sequence. Each entry relaxes its own check and no other: a certificate that is self-signed and for
        another name needs UNTRUSTED and INVALID_NAME. These may be let pass: UNTRUSTED, EXPIRED (also not yet valid),
        INCOMPLETE_CHAIN, WRONG_USAGE (needs the extra `certificates`), INVALID_NAME, REVOCATION_INFORMATION_MISSING and
        REVOCATION_FAILURE; the last two only matter with an ssl_context that checks revocation. When the issuer of the
        last certificate that came is not known, nobody can tell whether a certificate is missing or the authority is
        a strange one: that counts as UNTRUSTED and INCOMPLETE_CHAIN, and either entry lets it pass. What was found,
        passed or not, stands in information.server_certificate_errors.

        With an ssl_context that verifies, the connection is made with a copy of its versions, ciphers and options; a
        client certificate that it holds is not in that copy: set client_certificate. It must allow TLS 1.2.

        Raises, on an edit:
            InvalidArgumentTypeError: an entry that is no ChainValidationResult, nor its number (0x80070057).
            InvalidArgumentError: an error that can never be let pass (0x80070057).
            IllegalMethodCallError: after connect (0x8000000E).
        """
        return self._ignorable_errors

    @ignorable_server_certificate_errors.setter
    def ignorable_server_certificate_errors(self, value: MutableSequence[ChainValidationResult]) -> None:
        # `control.ignorable_server_certificate_errors += [...]` gets the sequence, extends it, and sets it again.
        if value is not self._ignorable_errors:
            raise InvalidArgumentTypeError("ignorable_server_certificate_errors cannot be assigned: edit the sequence")

    @property
    def connect_timeout(self) -> float | None:
        """Seconds for each address: TCP, TLS and handshake; default 60 (beyond WinRT, where it is fixed).

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._connect_timeout

    @connect_timeout.setter
    def connect_timeout(self, value: float | None) -> None:
        self._check_settable()
        self._connect_timeout = check_timeout(value, "connect_timeout")

    @property
    def server_credential(self) -> PasswordCredential | None:
        """Who we are to the server, if it asks; default None (….ServerCredential).

        Sent by HTTP's Basic scheme, once, after the server has answered 401 and offered it; over ws anybody on the way
        can read it. Not sent when an Authorization header was set.

        Raises:
            InvalidArgumentTypeError: neither a PasswordCredential nor None (0x80070057).
            InvalidArgumentError: the credential is empty (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._server_credential

    @server_credential.setter
    def server_credential(self, value: PasswordCredential | None) -> None:
        self._check_settable()
        self._server_credential = _check_credential(value, "server_credential")

    @property
    def proxy(self) -> str | None:
        """The proxy to go through; default None: what the environment says; "" for none (beyond WinRT).

        A URL: http://, https:// (TLS to the proxy), socks4://, socks4a://, socks5:// or socks5h://, with host and port
        (80, 443 and 1080 when left out), and user_name:password@ before them if the proxy asks for that. socks4 and
        socks5 have names looked up here, the others by the proxy. SOCKS needs an extra: pip install syncws[socks].

        None takes for wss the first of the environment variables wss_proxy, https_proxy and all_proxy, for ws that of
        ws_proxy, http_proxy and all_proxy, unless no_proxy names the server; each also in capitals.

        Raises:
            InvalidArgumentTypeError: neither str nor None (0x80070057).
            InvalidArgumentError: another scheme, no host, a bad port, something behind it, or user info that the
                proxy's protocol cannot carry (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._proxy

    @proxy.setter
    def proxy(self, value: str | None) -> None:
        self._check_settable()
        # "" is no proxy, None is for connect to find out.
        if value is not None and value != "":
            parse_proxy_url(value)
        self._proxy = value

    @property
    def proxy_credential(self) -> PasswordCredential | None:
        """Who we are to the proxy; default None: the user info of its URL (….ProxyCredential).

        Sent to an HTTP proxy by the Basic scheme without waiting to be asked, to a SOCKS5 proxy by RFC 1929; of a
        SOCKS4 proxy's only the user name. Never sent to the server.

        Raises:
            InvalidArgumentTypeError: neither a PasswordCredential nor None (0x80070057).
            InvalidArgumentError: the credential is empty (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._proxy_credential

    @proxy_credential.setter
    def proxy_credential(self, value: PasswordCredential | None) -> None:
        self._check_settable()
        self._proxy_credential = _check_credential(value, "proxy_credential")

    @property
    def resolver(self) -> Any:
        """Your own dns.resolver.Resolver of dnspython, which alone is then asked (beyond WinRT).

        Default None: the system's name servers, and when those find nothing the system's own resolver. IP addresses,
        localhost and names in the hosts file are never asked for. Its `lifetime` bounds each lookup, besides the
        connect's own limits.

        Raises:
            InvalidArgumentTypeError: neither None nor an object with a method resolve (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._resolver

    @resolver.setter
    def resolver(self, value: Any) -> None:
        self._check_settable()
        if value is not None and not callable(getattr(value, "resolve", None)):
            raise InvalidArgumentTypeError(
                f"resolver must be a dns.resolver.Resolver or None, not {type(value).__name__}"
            )
        self._resolver = value

    @property
    def max_connect_addresses(self) -> int:
        """How many of a name's addresses are tried; default 5 (beyond WinRT, where it is fixed).

        Raises:
            InvalidArgumentError: not from 1 to 100 (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._max_connect_addresses

    @max_connect_addresses.setter
    def max_connect_addresses(self, value: int) -> None:
        self._check_settable()
        self._max_connect_addresses = check_number(value, "max_connect_addresses", 1, 100)

    @property
    def max_redirects(self) -> int:
        """How many redirects of the server are followed; default 0, none (beyond WinRT).

        A redirect that is not followed is an HttpStatusError with its status and `location`. One that is followed may
        lead to http and https, which stand for ws and wss, but never from wss to ws. To another scheme, host or port go
        no credentials, no client certificate, and of the request headers only Origin, User-Agent and Accept-Language;
        what an ssl_context of your own holds stays in it.

        Raises:
            InvalidArgumentError: not from 0 to 100 (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._max_redirects

    @max_redirects.setter
    def max_redirects(self, value: int) -> None:
        self._check_settable()
        self._max_redirects = check_number(value, "max_redirects", 0, 100)

    @property
    def happy_eyeballs_delay(self) -> float | None:
        """Seconds after which the next address is tried beside the ones before it (beyond WinRT, RFC 8305).

        Default None: an address is given up before the next is tried. RFC 8305 recommends 0.25. The first to accept is
        taken, the others are dropped.

        Raises:
            InvalidArgumentError: negative or not a number (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._happy_eyeballs_delay

    @happy_eyeballs_delay.setter
    def happy_eyeballs_delay(self, value: float | None) -> None:
        self._check_settable()
        self._happy_eyeballs_delay = check_timeout(value, "happy_eyeballs_delay")

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS settings of your own for wss; default None: verification against the system's authorities (beyond WinRT).

        Raises:
            InvalidArgumentTypeError: neither an ssl.SSLContext nor None (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._ssl_context

    @ssl_context.setter
    def ssl_context(self, value: ssl.SSLContext | None) -> None:
        self._check_settable()
        if value is not None and not isinstance(value, ssl.SSLContext):
            raise InvalidArgumentTypeError(f"ssl_context must be an ssl.SSLContext or None, not {type(value).__name__}")
        self._ssl_context = value

    @property
    def client_certificate(self) -> Certificate | None:
        """Who we are to a server that asks by TLS; default None (….ClientCertificate).

        Shown to the server only, never to a proxy, together with its intermediate_certificates. Make one with
        Certificate.from_pem or Certificate.from_pkcs12. Over ws it has no effect.

        With an ssl_context the connection is made with a copy of its versions, ciphers and options that has this
        certificate; the server is checked by the ssl_context's own rules after the handshake and before anything is
        sent. That context must allow TLS 1.2.

        Raises:
            InvalidArgumentTypeError: neither a Certificate nor None (0x80070057).
            InvalidArgumentError: the certificate has no private key (0x80070057).
            IllegalMethodCallError: set after connect (0x8000000E).
        """
        return self._client_certificate

    @client_certificate.setter
    def client_certificate(self, value: Certificate | None) -> None:
        self._check_settable()
        if value is not None:
            if not isinstance(value, Certificate):
                kind = type(value).__name__
                raise InvalidArgumentTypeError(f"client_certificate must be a Certificate or None, not {kind}")
            if not value.has_private_key:
                raise InvalidArgumentError(
                    "client_certificate must have a private key: make it with Certificate.from_pem or from_pkcs12"
                )
        self._client_certificate = value
