"""reconnecting(): an iterator over connected sockets; and everything else for staying connected.

The iterator connects and waits on the thread that iterates. ReconnectingWebSocket, which has events and a thread of its
own, is in reconnecting_websocket.py.
"""

import os
from collections.abc import Callable, Iterable
from typing import Unpack

from syncws._errors.bare import raising_bare
from syncws._reconnecting.attempts import Headers, is_worth_another, make_plan
from syncws._reconnecting.backoff import Backoff
from syncws._reconnecting.event_args import ConnectedEventArgs, DisconnectedEventArgs, ReconnectingEventArgs
from syncws._reconnecting.iterator import ReconnectingIterator
from syncws.cancellation import CancellationToken
from syncws.control import MessageWebSocketSettings
from syncws.message_websocket import MessageWebSocket
from syncws.reconnecting_websocket import ReconnectingWebSocket
from syncws.uri import Uri

__all__ = [
    "Backoff",
    "ConnectedEventArgs",
    "DisconnectedEventArgs",
    "ReconnectingEventArgs",
    "ReconnectingIterator",
    "ReconnectingWebSocket",
    "is_worth_another",
    "reconnecting",
]


@raising_bare
def reconnecting(
    uri: str | Uri | Callable[[], str | Uri],
    *,
    headers: Headers | Callable[[], Headers] = (),
    subprotocols: Iterable[str] | None = None,
    timeout: float | None = None,
    cancellation_token: CancellationToken | None = None,
    backoff: Backoff | None = None,
    policy: Callable[[Exception], object] | None = None,
    max_attempts: int | None = None,
    on_connecting: Callable[[MessageWebSocket], object] | None = None,
    on_connected: Callable[[MessageWebSocket], object] | None = None,
    unix_path: str | os.PathLike[str] | None = None,
    **settings: Unpack[MessageWebSocketSettings],
) -> ReconnectingIterator:
    """Return an iterator over connected sockets, one after the other, for as long as connecting has a chance.

    Example::

        for socket in syncws.reconnecting("wss://example.com/ticker"):
            try:
                for message in socket:
                    print(message)
            except syncws.ConnectionOverError as error:
                print("lost:", error)

    Each step closes the previous socket, waits, and connects. What a socket has received is returned once; what was
    sent but not yet received by the server when a connection broke is lost, and nothing is sent again automatically.

    Args:
        uri: absolute ws or wss URI; or a callable that returns it, asked for each attempt.
        headers: as connect takes them; or a callable that returns them, asked for each attempt, as for a fresh token.
            None adds none.
        subprotocols: to offer, best first.
        timeout: seconds for each connect; None (the default) leaves the limits of the settings.
        cancellation_token: ends the iteration's own waits; give it to receive() as well. None (the default) for none.
        backoff: how long to wait between attempts; None (the default) is Backoff(). A Retry-After from the server is
            honoured as well, up to an hour.
        policy: called with the error because of which there is no connection; returns whether to go on. None (the
            default) for is_worth_another, that is `error.is_transient`. A connection that the program itself closed or
            aborted is replaced without asking. What it raises ends the iteration.
        max_attempts: number of connects in a row without a connection that lasted, after which the last error is
            raised; None (the default) for any number.
        on_connecting: called with each new socket before it connects, to add handlers, say for opened, ping_received or
            server_custom_validation_requested. If it raises, that counts as if the connect had. None (the default) for
            nothing.
        on_connected: called with each new socket before it is returned, to send what a connection begins with; it may
            also receive. If it raises, that counts as if the connect had. None (the default) for nothing.
        unix_path: path of a Unix socket to connect to, as in unix_connect(); uri says what to request. None (the
            default) to connect over the network.
        settings: any setting of MessageWebSocketControl, described there.

    Raises:
        TypeError: there is no such setting, or supported_protocols is given twice; before any I/O.
        InvalidArgumentError, InvalidArgumentTypeError: an argument is wrong, before any I/O (0x80070057).

    Source: beyond WinRT.
    """
    return ReconnectingIterator(
        make_plan(
            uri=uri,
            headers=headers,
            subprotocols=subprotocols,
            timeout=timeout,
            cancellation_token=cancellation_token,
            backoff=backoff,
            policy=policy,
            max_attempts=max_attempts,
            on_connecting=on_connecting,
            on_connected=on_connected,
            unix_path=unix_path,
            settings=settings,
        )
    )
