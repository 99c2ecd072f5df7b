"""Where a redirect leads, and what may go along (RFC 9110 15.4); followed only when control.max_redirects allows it.

Pure functions over plain values: any thread may call them.
"""

from syncws._waiting.at_fork import loading
from syncws._wire.shown import shown_url
from syncws._wire.uri import WEBSOCKET_SCHEMES, WebSocketUri, parse_uri
from syncws.control import WebSocketControl
from syncws.errors import HttpStatusError, InvalidArgumentError, RedirectError
from syncws.hresult import HResult

__all__ = ["REDIRECTS", "is_redirect", "redirected"]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""The statuses whose Location leads elsewhere."""

# Of the application's headers only these go to another origin: any other may hold a secret.
_HARMLESS_HEADERS = frozenset({"accept-language", "origin", "user-agent"})


def is_redirect(answer: HttpStatusError) -> bool:
    """Tell whether an answer leads elsewhere."""
    return answer.status_code in REDIRECTS and answer.location is not None


def redirected(
    answer: HttpStatusError, uri: WebSocketUri, settings: WebSocketControl
) -> tuple[WebSocketUri, WebSocketControl]:
    """Return where an answer leads, and the settings for going there.

    Another origin (scheme, host and port) gets neither credentials nor the client certificate, and of the
    application's headers only Origin, User-Agent and Accept-Language.

    Raises:
        RedirectError: it leads from wss to ws (0x80072F08), or not to a WebSocket URI (0x80072F7C).
    """
    target = _target(answer, uri)
    if uri.is_secure and not target.is_secure:
        raise RedirectError(
            f"the server redirects from wss to ws, to {target.shown}",
            hresult=HResult.WININET_E_HTTPS_TO_HTTP_ON_REDIR,
            location=answer.location,
        )
    is_same_origin = (uri.scheme, uri.host, uri.port) == (target.scheme, target.host, target.port)
    return target, settings if is_same_origin else _for_strangers(settings)


def _target(answer: HttpStatusError, uri: WebSocketUri) -> WebSocketUri:
    # Here and not above: few servers redirect.
    from urllib.parse import urldefrag, urljoin

    base = f"{uri.scheme}://{uri.authority}{uri.resource}"
    try:
        # The fragment of a redirect is not for the server (RFC 9110 10.2.2), and a WebSocket URI has none.
        location, _ = urldefrag(urljoin(base, answer.location or ""))
        scheme, colon, rest = location.partition(":")
        with loading():
            return parse_uri(f"{WEBSOCKET_SCHEMES.get(scheme.lower(), scheme)}{colon}{rest}")
    except ValueError as exc:
        reason = exc.message if isinstance(exc, InvalidArgumentError) else "its Location cannot be read"
        raise RedirectError(
            f"the server's redirect to {shown_url(answer.location or '')} does not lead to a WebSocket URI: {reason}",
            location=answer.location,
        ) from exc


def _for_strangers(settings: WebSocketControl) -> WebSocketControl:
    headers = tuple(header for header in settings._request_headers if header[0].lower() in _HARMLESS_HEADERS)
    return settings._replaced(request_headers=headers, server_credential=None, client_certificate=None)
