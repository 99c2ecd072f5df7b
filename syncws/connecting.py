"""connect() and unix_connect(): a connected MessageWebSocket in one call.

They run on the calling thread.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Unpack

from syncws._arguments.checks import check_header_pairs
from syncws._arguments.keywords import add_subprotocols
from syncws._errors.bare import raising_bare
from syncws._net.given_socket import check_path
from syncws.cancellation import CancellationToken
from syncws.control import MessageWebSocketSettings
from syncws.message_websocket import MessageWebSocket
from syncws.uri import Uri

__all__ = ["connect", "unix_connect"]


@raising_bare
def connect(
    uri: str | Uri,
    *,
    timeout: float | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = (),
    subprotocols: Iterable[str] | None = None,
    cancellation_token: CancellationToken | None = None,
    socket: socket.socket | None = None,
    **settings: Unpack[MessageWebSocketSettings],
) -> MessageWebSocket:
    """Return a MessageWebSocket that is connected; use it in a `with` block, or close() it.

    To add handlers before it connects, make a MessageWebSocket and call its connect().

    Args:
        uri: absolute ws or wss URI, as text or Uri.
        timeout: seconds for all of it; None (the default) for the limits of the settings only.
        headers: request headers to add, of a repeated name the last; None adds none.
        subprotocols: to offer, best first; the setting supported_protocols, under the name that other clients use.
        cancellation_token: ends it when its source is cancelled.
        socket: a connected stream socket to use; see MessageWebSocket.connect.
        settings: any setting of MessageWebSocketControl, described there; a list may be any iterable.

    Raises:
        TypeError: there is no such setting, or supported_protocols is given twice; before any I/O.
        WebSocketError: as MessageWebSocket.connect; and, before any I/O, as set_request_header and the settings.

    Source: beyond WinRT.
    """
    made = _made_with(headers, subprotocols, settings)
    made.connect(uri, timeout=timeout, cancellation_token=cancellation_token, socket=socket)
    return made


@raising_bare
def unix_connect(
    path: str | os.PathLike[str],
    uri: str | Uri = "ws://localhost/",
    *,
    timeout: float | None = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = (),
    subprotocols: Iterable[str] | None = None,
    cancellation_token: CancellationToken | None = None,
    **settings: Unpack[MessageWebSocketSettings],
) -> MessageWebSocket:
    """Return a MessageWebSocket that is connected to a server on a Unix socket.

    Example::

        with syncws.unix_connect("/run/service.sock") as socket:
            socket.send("status")

    Args:
        path: of the Unix socket.
        uri: what to request: its host goes into the Host header, and for wss it is compared with the
            server's certificate. The default is "ws://localhost/".

    As for the rest: as connect(). No name is looked up, no proxy is used, no redirect is followed.

    Raises:
        InvalidArgumentError: a bad path, or this system has no Unix sockets; before any I/O (0x80070057).
        CannotConnectError: nobody accepts there (0x80072EFD).

    Source: beyond WinRT.
    """
    checked = check_path(path)
    made = _made_with(headers, subprotocols, settings)
    made._connect(uri, timeout, cancellation_token, checked)
    return made


def _made_with(
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None,
    subprotocols: Iterable[str] | None,
    settings: MessageWebSocketSettings,
) -> MessageWebSocket:
    add_subprotocols(settings, subprotocols)
    made = MessageWebSocket()
    made.control.update(**settings)
    for name, value in check_header_pairs(headers):
        made.set_request_header(name, value)
    return made
