"""The session of a StreamWebSocket: bytes that come in, whatever messages they came in.

What stands here is called by one reading thread at a time.
"""

from syncws._connection.owner import Owner
from syncws._connection.receiving.byte_inbox import ByteInbox
from syncws._connection.session import Session
from syncws._net.opening import Reached
from syncws._streams.operation import Operation
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws.control import StreamWebSocketControl
from syncws.errors import CanceledByCloseError, IllegalMethodCallError, ObjectClosedError, OperationCanceledError
from syncws.hresult import HResult

__all__ = ["StreamSession"]


class StreamSession(Session):
    """State of one connection of a StreamWebSocket."""

    inbox: ByteInbox

    def __init__(self, reached: Reached, settings: StreamWebSocketControl, waker: Waker, owner: Owner) -> None:
        """See Session."""
        super().__init__(reached, settings, waker, owner, ByteInbox(settings._inbox_size(), waker.wake))

    def begin_read(self, operation: Operation) -> None:
        """Begin a read; see ByteSource.begin.

        Raises:
            InvalidOperationError: another thread reads (0x800710DD).
            IllegalMethodCallError: called in a handler, behind which the bytes would wait (0x8000000E).
            ObjectClosedError: the stream or the socket was closed (0x80000013).
        """
        if self.is_on_reader and not self.inbox.is_ended:
            raise IllegalMethodCallError("a read cannot wait inside a handler: it would wait for its own thread")
        self._check_program_goes_on()
        try:
            self.inbox.begin(operation, Deadline(self.settings._receive_timeout))
        except ObjectClosedError:
            if self._is_only_stream_closed:
                raise
            # Another thread has just done that: the socket was open when this call looked.
            raise self.closed_error("the socket was closed") from None

    def peek(self, count: int) -> memoryview:
        """Wait for bytes; see ByteSource.peek.

        Raises:
            OperationTimedOutError: none came in time (0x80072EE2).
            OperationCanceledError: closed meanwhile (0x80072EF1).
            ConnectionLostError, ProtocolViolationError, MessageTooBigError: how the connection was lost.
        """
        try:
            view = self.inbox.peek(count)
        except OperationCanceledError as error:
            if error.hresult == HResult.ERROR_CANCELLED:
                # By its token.
                raise
            if self._is_only_stream_closed:
                raise
            raise self.with_end(CanceledByCloseError(f"the read was ended: {self.describe_end()}")) from None
        if not view:
            self._check_not_lost()
        return view

    @property
    def _is_only_stream_closed(self) -> bool:
        """True when no close() or abort() of ours has taken what there was to read."""
        return self.inbox.is_kept or not self.closing.is_discarding
