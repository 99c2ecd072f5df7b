"""ReconnectingIterator: what syncws.reconnecting() returns; see there.

It runs on the thread that iterates; close() may be called on any.
"""

from typing import Self

from syncws._copying import NotCopied
from syncws._errors.bare import raising_bare
from syncws._reconnecting.attempts import Attempts, Plan
from syncws.message_websocket import MessageWebSocket

__all__ = ["ReconnectingIterator"]


class ReconnectingIterator(NotCopied):
    """What reconnecting() returns: gives connected sockets, and is a context manager that closes on exit.

    One thread at a time iterates; close() may be called on any.

    Source: beyond WinRT.
    """

    __slots__ = ("__weakref__", "_attempts")

    def __init__(self, plan: Plan) -> None:
        self._attempts = Attempts(plan)

    def __iter__(self) -> Self:
        return self

    @raising_bare
    def __next__(self) -> MessageWebSocket:
        """Close the previous socket, and return the next one, connected.

        Raises:
            StopIteration: close() was called, or a final or last error, see below, was raised before.
            OperationCanceledError: the cancellation token is cancelled (0x800704C7).
            InvalidOperationError: another thread is waiting for the next socket (0x800710DD).
            Exception: what the policy calls final, most often a ConnectFailedError or ConnectionOverError, or what it
                raises itself; or the last error when max_attempts were made.
        """
        socket = self._attempts.next_socket()
        if socket is None:
            raise StopIteration
        return socket

    def close(self) -> None:
        """End the iteration, a wait or connect at once, and close the socket that was returned last.

        Waits for that no longer than control.close_timeout. On any thread; may be repeated.
        """
        self._attempts.stop()
        socket = self._attempts.socket
        if socket is not None:
            socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *_: object) -> None:
        """Close; quickly when the block is left by an exception."""
        self._attempts.stop()
        socket = self._attempts.socket
        if socket is not None:
            socket.__exit__(exc_type)

    def __repr__(self) -> str:
        return f"<ReconnectingIterator attempt={self._attempts.attempt}{' closed' * self._attempts.is_stopped}>"
