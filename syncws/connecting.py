"""connect(): a connected MessageWebSocket in one call (beyond WinRT).

May import enums, errors and message_websocket. Runs on the caller's thread.
"""

import ssl
from collections.abc import Iterable, Mapping

from syncws.cancellation import CancellationToken
from syncws.message_websocket import MessageWebSocket

__all__ = ["connect"]


def connect(
    uri: str,
    *,
    timeout: float | None = None,
    # HTTP
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    subprotocols: Iterable[str] = (),
    cancellation_token: CancellationToken | None = None,
    proxy: str | None = None,
    # TLS
    ssl_context: ssl.SSLContext | None = None,
    # Limits
    max_message_size: int | None = None,
) -> MessageWebSocket:
    """Return a MessageWebSocket that is connected; use it in a `with` block, or close() it.

    For what is not offered here make a MessageWebSocket, set its `control`, add handlers and call its connect().

    Args:
        uri: absolute ws or wss URI.
        timeout: seconds for all of it; None leaves the limits of control.
        headers: request headers to add.
        subprotocols: to offer, best first.
        ssl_context: TLS settings of your own.
        cancellation_token: ends it when its source is cancelled.
        proxy: a proxy's URL; None for what the environment says, "" for none.
        max_message_size: bytes that an incoming message may have; None leaves control's 64 MiB.

    Raises: as MessageWebSocket.connect, set_request_header and the control's properties.
    """
    socket = MessageWebSocket()
    socket.control.supported_protocols.extend(subprotocols)
    socket.control.ssl_context = ssl_context
    socket.control.proxy = proxy
    if max_message_size is not None:
        socket.control.max_message_size = max_message_size
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        socket.set_request_header(name, value)
    socket.connect(uri, timeout=timeout, cancellation_token=cancellation_token)
    return socket
