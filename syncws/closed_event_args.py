"""What the handlers of `closed` receive.

Imports nothing of the package. Made by the reader thread; usable on any thread and after the handler has returned.
"""

__all__ = ["WebSocketClosedEventArgs"]


class WebSocketClosedEventArgs:
    """How a connection ended (Windows.Networking.Sockets.WebSocketClosedEventArgs); cannot be made."""

    __slots__ = ("_code", "_reason")

    _code: int
    _reason: str

    def __new__(cls) -> "WebSocketClosedEventArgs":
        """Refuse: the socket makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError("WebSocketClosedEventArgs cannot be made: handlers receive it")

    @classmethod
    def _create(cls, code: int, reason: str) -> "WebSocketClosedEventArgs":
        args = object.__new__(cls)
        args._code = code
        args._reason = reason
        return args

    @property
    def code(self) -> int:
        """The peer's close code (….Code).

        1005 when its Close frame had none, 1006 when there was no Close frame (RFC 6455 7.1.5); after a violation by
        the server the code that it was answered with.
        """
        return self._code

    @property
    def reason(self) -> str:
        """Text of the Close frame, "" when none (….Reason)."""
        return self._reason

    def __repr__(self) -> str:
        return f"<WebSocketClosedEventArgs code={self._code} reason={self._reason!r}>"
