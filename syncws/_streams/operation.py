"""Operation: what stands for one call that takes bytes or messages, with its token.

The calling thread makes it; other threads look at it.
"""

import threading
from collections.abc import Callable

from syncws.cancellation import CancellationToken
from syncws.errors import OperationCanceledError

__all__ = ["Operation"]


class Operation:
    """One call that takes from a source or an inbox, where only one may run.

    Attributes:
        token: cancels its waits; None when nothing does.
        is_over (bool): set by the caller in a `finally`. An attribute and no method, because an interruption can come
            at the beginning of a method, and nobody could take any more.
        is_busy (bool): True while the call itself moves bytes from the socket to where it takes them from.
        thread (int): the calling thread's number.
    """

    __slots__ = ("is_busy", "is_over", "thread", "token")

    def __init__(self, token: CancellationToken | None = None) -> None:
        self.is_busy: bool = False
        self.is_over: bool = False
        self.thread: int = threading.get_ident()
        self.token: CancellationToken | None = token

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called when the token changes, until stop_listening()."""
        if self.token is not None:
            self.token._add_listener(self, wake)

    def stop_listening(self) -> None:
        """See listen."""
        if self.token is not None:
            self.token._remove_listener(self)

    def check(self, what: str) -> None:
        """Look whether it is canceled.

        Raises:
            OperationCanceledError: the token is cancelled (0x800704C7).
        """
        if self.token is not None and self.token.is_cancellation_requested:
            raise OperationCanceledError(f"{what} was canceled by the cancellation_token")
