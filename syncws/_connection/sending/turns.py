"""Waiting for the writer role, and for the end of a message that another thread sends in several frames.

The part of an outbox that sending threads share; see outbox.py for what the role is.
"""

import threading

from syncws._connection.sending.at_once import AtOnce
from syncws._connection.sending.open_message import MessageState, OpenMessage
from syncws._connection.sending.posted import Posted
from syncws._locks import locks
from syncws._waiting.deadline import Deadline
from syncws._waiting.locks import acquire_within
from syncws.errors import OperationTimedOutError

__all__ = ["Turns"]


class Turns(AtOnce):
    """The base of Outbox that waits."""

    __slots__ = ("_open", "_posted", "_role", "_waiting")

    def __init__(self, posted: Posted) -> None:
        # Reentrant: a signal handler may come between taking it and noting the owner, and leaves it as it was.
        self._role = locks.RLock()
        self._posted = posted
        # Between two frames of a message: no other data frame may go.
        self._open: OpenMessage | None = None
        self._waiting: dict[int, int] = {}  # Bytes that each waiting thread wants to send.

    @property
    def pending_bytes(self) -> int:
        """Bytes that senders have given and the system has not taken yet."""
        message = self._open
        is_dropped = self._posted.is_closing and not self._has_left_frames
        left = 0 if message is None or is_dropped else message.remaining
        return self._writer.pending_bytes + left + sum(list(self._waiting.values()))

    @property
    def _has_left_frames(self) -> bool:
        """True when somebody must go on with a message; after the Close frame nobody may."""
        message = self._open
        return message is not None and message.state is MessageState.LEFT and not self._posted.has_closed

    def _wake_turn(self) -> None:
        """Wake all who wait for an open message to end; needs no role."""
        message = self._open
        if message is not None and not self._writer.is_quiet:
            message.wake()

    def _wait_for_turn(self, current: OpenMessage, size: int, deadline: Deadline) -> None:
        """Wait for a change of the message that is open."""
        if self._is_over:
            raise self._writer.closed_error()
        current.check_ends()
        if deadline.is_expired:
            raise OperationTimedOutError("another sender's message took longer than control.send_timeout")
        own = threading.get_ident()
        try:
            self._waiting[own] = size
            current.wait(lambda: self._is_passed(current), deadline.remaining)
        finally:
            self._waiting.pop(own, None)

    def _is_passed(self, message: OpenMessage) -> bool:
        return self._is_over or self._open is not message or message.state is not MessageState.BUSY

    @property
    def _is_over(self) -> bool:
        return self._posted.is_closing or self._writer.shut_reason is not None

    def _wait_for_role(self, size: int, deadline: Deadline) -> None:
        # A thread that waits for a lock cannot be woken; but the one that holds this lock can, and gives it back.
        own = threading.get_ident()
        role = self._role
        try:
            self._waiting[own] = size
            # In a child that a signal handler has forked there is another role, and nobody who gives up this one.
            if not acquire_within(role, deadline.remaining, lambda: self._role is not role):
                if self._role is not role:
                    raise self._writer.closed_error()
                raise OperationTimedOutError("other senders held the connection for longer than control.send_timeout")
        finally:
            self._waiting.pop(own, None)
