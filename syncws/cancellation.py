"""CancellationTokenSource and CancellationToken: ending an operation that waits from outside.

Any thread may use them; nothing here waits, and there is no timer thread: an operation that waits keeps to the token's
deadline itself.
"""

from collections.abc import Callable
from typing import Self

from syncws._arguments.checks import check_timeout
from syncws._copying import NotCopied
from syncws._waiting.deadline import FOREVER, Deadline
from syncws.errors import InvalidArgumentTypeError, ObjectClosedError

__all__ = ["CancellationToken", "CancellationTokenSource", "check_token"]


class CancellationToken(NotCopied):
    """Tells an operation whether it is cancelled; comes from `CancellationTokenSource.token`.

    Source: .NET's CancellationToken, as the WinRT guide's connect example uses it.
    """

    __slots__ = ("_deadline", "_is_canceled", "_listeners")

    _deadline: Deadline
    _is_canceled: bool
    _listeners: dict[object, Callable[[], None]]

    def __new__(cls) -> Self:
        """Refuse: a source makes it.

        Raises:
            TypeError: always.
        """
        raise TypeError("CancellationToken cannot be made: use CancellationTokenSource.token")

    @classmethod
    def _create(cls) -> Self:
        token = object.__new__(cls)
        token._deadline = FOREVER
        token._is_canceled = False
        token._listeners = {}
        return token

    @property
    def is_cancellation_requested(self) -> bool:
        """True once cancel() was called or the time of cancel_after() is over; then for ever."""
        if not self._is_canceled and self._deadline.is_expired:
            self._is_canceled = True
        return self._is_canceled

    def _limit(self, deadline: Deadline) -> Deadline:
        """Return `deadline`, or the token's own when that is sooner."""
        return deadline.sooner(self._deadline)

    def _add_listener(self, key: object, wake: Callable[[], None]) -> None:
        """Have `wake` called when the token changes; after adding, the caller looks at the token once more."""
        self._listeners[key] = wake

    def _remove_listener(self, key: object) -> None:
        self._listeners.pop(key, None)

    def _tell(self) -> None:
        for wake in list(self._listeners.values()):
            wake()

    def __repr__(self) -> str:
        return f"<CancellationToken {'canceled' if self.is_cancellation_requested else 'not canceled'}>"


class CancellationTokenSource(NotCopied):
    """Cancels the operations that were given its token, from any thread; a context manager that closes on exit.

    Example::

        source = CancellationTokenSource()
        source.cancel_after(5)
        socket.connect(uri, cancellation_token=source.token)

    Cancelling after the operation has completed has no effect on it. One source may serve several operations, even at
    the same time; what is cancelled stays cancelled.

    Source: .NET's CancellationTokenSource, as the WinRT guide's connect example uses it.
    """

    __slots__ = ("_is_closed", "_token")

    def __init__(self) -> None:
        """Make a source that is not cancelled."""
        self._token = CancellationToken._create()
        self._is_closed = False

    @property
    def token(self) -> CancellationToken:
        """The token to hand to operations; the same object every time (CancellationTokenSource.Token)."""
        return self._token

    @property
    def is_cancellation_requested(self) -> bool:
        """True once cancel() was called or the time of cancel_after() is over; then for ever."""
        return self._token.is_cancellation_requested

    def cancel(self) -> None:
        """Cancel at once: an operation with the token raises OperationCanceledError. May be repeated.

        Raises:
            ObjectClosedError: the source was closed (0x80000013).

        Source: CancellationTokenSource.Cancel.
        """
        self._check_open()
        self._token._is_canceled = True
        self._token._tell()

    def cancel_after(self, seconds: float | None, /) -> None:
        """Cancel when a time is over; a later call replaces an earlier one, as long as that has not cancelled.

        Args:
            seconds: from now, 0 or more; None takes an earlier call back.

        Raises:
            InvalidArgumentTypeError: neither a number nor None (0x80070057).
            InvalidArgumentError: negative or not a number (0x80070057).
            ObjectClosedError: the source was closed (0x80000013).

        Source: CancellationTokenSource.CancelAfter, which counts milliseconds.
        """
        deadline = Deadline(check_timeout(seconds, "seconds"))
        self._check_open()
        # Asked first, so that a time that is over counts although nobody has looked.
        if not self._token.is_cancellation_requested:
            self._token._deadline = deadline
            self._token._tell()

    def close(self) -> None:
        """Let go: nothing is cancelled any more that is not yet. May be repeated.

        Source: CancellationTokenSource.Dispose.
        """
        if not self._token.is_cancellation_requested:
            self._token._deadline = FOREVER
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise ObjectClosedError("the CancellationTokenSource was closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<CancellationTokenSource {'canceled' if self.is_cancellation_requested else 'not canceled'}>"


def check_token(token: object) -> CancellationToken | None:
    """Check what an operation was given as its cancellation_token.

    Raises:
        InvalidArgumentTypeError: neither a CancellationToken nor None (0x80070057).
    """
    if token is None or isinstance(token, CancellationToken):
        return token
    hint = ": give its token" if isinstance(token, CancellationTokenSource) else ""
    raise InvalidArgumentTypeError(
        f"cancellation_token must be a CancellationToken or None, not {type(token).__name__}{hint}"
    )
