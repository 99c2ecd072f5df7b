"""The cookies of one connect, by the rules of http.cookiejar: what a request carries, and what an answer sets.

Runs on the connecting thread. A jar from the application has a lock of its own, so sockets may share it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from syncws._waiting.at_fork import loading
from syncws._wire.uri import WebSocketUri, bracketed
from syncws.errors import InvalidArgumentError

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["Cookies"]


class Cookies:
    """Where a connect gets its cookies from, and puts those that the server sets.

    Without anything from the application that is a jar of its own, which is made for the first Set-Cookie: a redirect
    or a 401 may set the cookie by which the next request passes.

    Attributes:
        jar (CookieJar | None): where they are; None as long as there are none.
    """

    def __init__(self, given: "CookieJar | Mapping[str, str] | None", uri: WebSocketUri) -> None:
        """Take what control.cookies says, for a connect that begins at `uri`: names and values are for its host."""
        self._first_uri = uri
        self.jar: CookieJar | None = None
        if not isinstance(given, MappingProxyType):
            self.jar = cast("CookieJar | None", given)
        elif given:
            jar = self.jar = _own_jar()
            # As if the host had set them, because only the standard library knows how it tells hosts apart.
            self.keep(uri, [f"{name}=; Path=/" for name in given])
            for cookie in jar:
                cookie.value = given[cookie.name].encode().decode("latin-1")

    def header_for(self, uri: WebSocketUri, *, has_own: bool) -> str | None:
        """Return the value of the header Cookie in Latin-1; None when there is none to send.

        Args:
            uri: where the request goes.
            has_own: the application has set a header Cookie itself, which stays as it is.

        Raises:
            InvalidArgumentError: a cookie of the application's jar holds what no header may (0x80070057).
        """
        if self.jar is None:
            return None
        request = _Request(uri, self._first_uri, has_own=has_own)
        self.jar.add_cookie_header(request)  # type: ignore[arg-type]
        value = request.added.get("Cookie")
        if value is None:
            return None
        try:
            value = "; ".join(map(_with_bytes, value.split("; ")))
        except UnicodeEncodeError:
            value = "\0"
        # A tab may stand in a header (RFC 9110 5.5), and a server may set one.
        if any((character < " " and character != "\t") or character == "\x7f" for character in value):
            raise InvalidArgumentError(
                f"control.cookies has a cookie for {uri.shown} with a control character or a lone surrogate in it"
            )
        return value

    def keep(self, uri: WebSocketUri, set_cookie: Sequence[str]) -> None:
        """Take the cookies of an answer, a refusal too; `set_cookie` has each Set-Cookie, a character for each byte."""
        if not set_cookie:
            return
        if self.jar is None:
            self.jar = _own_jar()
        request = _Request(uri, self._first_uri)
        self.jar.extract_cookies(_Answer(set_cookie), request)  # type: ignore[arg-type]


def _with_bytes(cookie: str) -> str:
    """Return a cookie with a character for each byte.

    In the jar of urllib and requests it has been so since the server set it. What has others is the application's.
    """
    return cookie if all(character <= "\xff" for character in cookie) else cookie.encode("utf-8").decode("latin-1")


def _own_jar() -> "CookieJar":
    # Here and not above: importing it takes longer than a connect, and few servers set cookies.
    with loading():
        from http.cookiejar import CookieJar, DefaultCookiePolicy

    # A cookie without Domain is for its own host alone, as RFC 6265 5.1.3 and browsers have it.
    return CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))


class _Request:
    """What http.cookiejar asks of a request, see CookieJar.add_cookie_header.

    wss counts as https, for Secure above all, and the first URI as the page that the user opened.
    """

    def __init__(self, uri: WebSocketUri, first_uri: WebSocketUri, *, has_own: bool = False) -> None:
        self._uri = uri
        self._has_own = has_own
        self.type = "https" if uri.is_secure else "http"
        self.host = uri.host_header
        # As the library's own request has it: without the port.
        self.origin_req_host = bracketed(first_uri.host)
        self.unverifiable = uri is not first_uri
        self.added: dict[str, str] = {}

    def get_full_url(self) -> str:
        return f"{self.type}://{self.host}{self._uri.resource}"

    def has_header(self, name: str) -> bool:
        return self._has_own and name == "Cookie"

    def get_header(self, name: str, default: str | None = None) -> str | None:
        return default

    def add_unredirected_header(self, name: str, value: str) -> None:
        self.added[name] = value


class _Answer:
    """What http.cookiejar asks of an answer, and of its headers."""

    def __init__(self, set_cookie: Sequence[str]) -> None:
        self._set_cookie = set_cookie

    def info(self) -> "_Answer":
        return self

    def get_all(self, name: str, failobj: object = None) -> object:
        return list(self._set_cookie) if name == "Set-Cookie" else failobj
