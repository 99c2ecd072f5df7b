"""What a name that is not there was meant for: one of other libraries, or one of ours that is misspelt.

Pure functions over plain values: any thread may call them.
"""

from collections.abc import Iterable, Mapping

__all__ = ["EVENTS", "SETTINGS", "nearest"]

_HEADERS = "headers= of syncws.connect(), or set_request_header()"
_TLS = "ssl_context, ca_file, client_certificate or ignorable_server_certificate_errors"

SETTINGS: Mapping[str, str] = {
    "additional_headers": _HEADERS,
    "auth": "server_credential",
    "bearer": _HEADERS,
    "credential": "server_credential",
    "extra_headers": _HEADERS,
    "header": _HEADERS,
    "headers": _HEADERS,
    "heartbeat": "keep_alive_interval",
    "host": _HEADERS,
    "http_proxy_auth": "proxy_credential",
    "http_proxy_host": "proxy",
    "max_msg_size": "max_message_size",
    "max_queue": "inbox_size_in_bytes",
    "open_timeout": "timeout= of connect()",
    "origin": _HEADERS,
    "ping_timeout": "keep_alive_timeout",
    "proxy_type": "proxy",
    "redirect_limit": "max_redirects",
    "sock": "socket= of connect()",
    "ssl": _TLS,
    "sslopt": _TLS,
    "timeout": "timeout= of connect() or of receive(), or receive_timeout",
    "token": "cancellation_token= of connect()",
    "verify": _TLS,
}
"""Keywords that other clients have for what is a setting here, or an argument of connect()."""

EVENTS: Mapping[str, str] = {
    "on_close": "closed",
    "on_closed": "closed",
    "on_data": "message_received of a MessageWebSocket",
    "on_error": "the error of message_received's args",
    "on_message": "message_received of a MessageWebSocket",
    "on_open": "opened",
    "on_ping": "ping_received",
    "on_pong": "pong_received",
}
"""Attributes that other clients have for their handlers."""


def nearest(name: str, names: Iterable[str], others: Mapping[str, str]) -> str:
    """Return what a message about an unknown name ends with: what was meant, if that can be told.

    Args:
        name: what was written.
        names: ours, one of which may be near.
        others: those of other libraries, and what they are here.
    """
    import difflib

    found = [others[name]] if name in others else difflib.get_close_matches(name, names, 1)
    return f"; did you mean {found[0]}?" if found else ""
