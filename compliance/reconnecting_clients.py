"""The client syncws-reconnecting for the campaigns: connections that a loop over reconnecting() or an object has made.

Each ends with its one connection, so that the campaign can account for every message: see clients.py.
"""

import ssl
from collections.abc import Callable
from types import MappingProxyType

import syncws
from compliance.clients import Connection, Ended, Errors, Limits, SyncwsClient, SyncwsEvents, SyncwsPull
from compliance.conversation import Message

__all__ = ["SyncwsReconnecting"]

# No connection counts as one that held: the first is the only one.
_ONCE = syncws.Backoff(held_after=1e6)


class _Loop(SyncwsPull):
    def __init__(self, uri: str, context: ssl.SSLContext | None, compression: bool) -> None:
        self._sockets = syncws.reconnecting(
            uri, timeout=Limits.connect, backoff=_ONCE, max_attempts=1, **self.settings(context, compression)
        )
        self._socket = next(self._sockets)

    def close(self) -> None:
        """See Connection.close."""
        self._sockets.close()


class _Object(SyncwsEvents):
    def __init__(self, uri: str, context: ssl.SSLContext | None, compression: bool) -> None:
        self._object = syncws.ReconnectingWebSocket(
            uri, timeout=Limits.connect, backoff=_ONCE, max_attempts=1, **self.settings(context, compression)
        )
        self._begin()
        self._object.message_received += self._take_message
        self._object.disconnected += lambda _, args: self._came.put(Ended(str(args.error)))
        self._object.start()
        try:
            self._object.wait_connected()
            socket = self._object.socket
            if socket is None:
                raise Ended("over already")
            self._socket = socket
        except BaseException:
            self._object.close()
            raise

    def send(self, message: Message) -> None:
        """See Connection.send."""
        self._object.send(message)

    def close(self) -> None:
        """See Connection.close."""
        self._object.close()


class SyncwsReconnecting(SyncwsClient):
    """syncws by a loop over reconnecting() and by ReconnectingWebSocket, in turn."""

    name = "syncws-reconnecting"
    errors: Errors = MappingProxyType({**SyncwsClient.errors, "connect": (*SyncwsClient.errors["connect"], Ended)})
    ways: tuple[Callable[[str, ssl.SSLContext | None, bool], Connection], ...] = (_Loop, _Object)
