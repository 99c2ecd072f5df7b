"""How a connection ended, as calls and the information object report it: the half of a session that reports.

Any thread.
"""

from typing import TypeVar

from syncws._connection.closing import CAUSES_IN_WORDS, Closing
from syncws._connection.receiving.inbox import Inbox
from syncws._connection.sending.outbox import Outbox
from syncws._wire.closing import CloseState
from syncws._wire.shown import shown_text
from syncws.enums import CloseCause
from syncws.errors import ConnectionClosedError, ConnectionLostError, ConnectionOverError, WebSocketError, fresh

__all__ = ["Telling"]

# As in message_websocket: asking an enumeration for a member takes long.
_NONE = CloseCause.NONE

ErrorT = TypeVar("ErrorT", bound=WebSocketError)


class Telling:
    """The part of Session that reports the end.

    Attributes:
        is_over (bool): True when the connection is over, though handlers may still run.
        is_exiting (bool): True when the program ends: nobody is told of anything any more.
        loss (WebSocketError | None): how it was lost; set by the reader before it ends, read by everybody after
            `finished`.
    """

    outbox: Outbox
    inbox: Inbox
    closing: Closing
    is_over = is_exiting = False
    loss: WebSocketError | None = None

    @property
    def is_close_known(self) -> bool:
        """True when close_code and close_reason are those of the end."""
        return self.is_over or self.loss is not None or self.closing.is_settled

    @property
    def close_cause(self) -> CloseCause:
        """What began the end of the connection; NONE while it is open."""
        cause = self.closing.cause
        if cause is _NONE and self.outbox.is_broken:
            # Not noted: the reader finds the end too, and perhaps that a Close frame came before it.
            return CloseCause.CONNECTION_LOST
        return cause

    def describe_end(self) -> str:
        """Say why the connection is over or ending, for the text of an error."""
        cause = self.close_cause
        text = "the program ends" if self.is_exiting and cause is CloseCause.LOCAL else CAUSES_IN_WORDS[cause]
        if not self.is_close_known:
            return text
        return f"{text}, code {self.closing.code} {shown_text(self.closing.reason)}".rstrip()

    def closed_error(self, what: str) -> ConnectionClosedError:
        """Return the error of a call that finds the connection over, or closing."""
        return self.with_end(ConnectionClosedError(f"{what}: {self.describe_end()}"))

    def with_end(self, error: ErrorT) -> ErrorT:
        """Fill in how the connection ended, where the error has a place for that; return it."""
        if isinstance(error, ConnectionOverError):
            error.close_cause = self.close_cause
            if self.is_close_known:
                error.close_code, error.close_reason = self.closing.code, self.closing.reason
        return error

    def end_error(self) -> WebSocketError:
        """Return the error that says why the connection is over: how it was lost, or who closed it."""
        return self.closed_error("the connection is over") if self.loss is None else self.with_end(fresh(self.loss))

    def _check_not_lost(self) -> None:
        """Raise how the connection was lost, for a receive that finds nothing more; not when this side closed first."""
        if self.loss is not None and self.inbox.is_kept:
            raise self.end_error()

    def _reason_for_senders(self, state: CloseState) -> WebSocketError:
        if state in (CloseState.OPEN, CloseState.FAILED) and self.loss is not None:
            return self.with_end(ConnectionLostError(self.loss.message, hresult=self.loss.hresult))
        return self.closed_error("the connection is closed, and nothing more can be sent")
