"""Sending: who may write to the transport, and what goes out in which order.

Every thread sends through it; the reader posts its pongs and Close frames and never waits.

The plan. There is no queue of messages. Whoever sends takes the writer role, a lock that is waited for with a deadline,
and pushes its own frame out; so memory is bounded, and each sender has its own time limit and error. What may be left
for others: what stands in `Posted`, and the rest of one message whose sender's time ran out in the middle of it. Those
go first, at the next frame boundary, by whoever holds the role; when nobody does, the reader pushes them.

A message of several frames gives the role back between them, so that pongs and the Close frame can pass and no lock is
held while the application's code runs; that no other data frame comes in between is what OpenMessage is for.

The rule for handing over: post, then set `has_posted`, then try for the role; whoever holds the role clears the flag
before it looks at what was posted, and asks it once more when the role is given back. So one of the two sees the other.

A small frame goes without the lock where nobody has the role and nothing was posted, in one step of the compiled part
(at_once.py): whoever takes the role notes itself as `_owner` before it looks at what must go first.

The rule for interruptions: a wait may be interrupted, because all that was sent is noted by then. Any other
interruption while `is_torn` is true ends the connection, because nobody knows how much of a frame was sent.
"""

import threading
from collections.abc import Callable

from syncws._connection import closing
from syncws._connection.sending.frame_writer import MAX_KEPT_BYTES, FrameWriter, Patience
from syncws._connection.sending.open_message import Encode, MessageState, OpenMessage, bytes_of
from syncws._connection.sending.posted import ControlFrame, Posted
from syncws._connection.sending.turns import Turns
from syncws._functions import nothing
from syncws._locks import locks
from syncws._net.transport import Transport, direct_way
from syncws._waiting.deadline import Deadline
from syncws._wire.accelerated import accelerated
from syncws._wire.large import FramePieces
from syncws.errors import (
    ConnectionLostError,
    ConnectionOverError,
    InvalidOperationError,
    OperationTimedOutError,
    WebSocketError,
)

__all__ = ["Outbox"]

_NOBODY = 0
_Callback = Callable[[], object]
_OnOver = Callable[[WebSocketError], WebSocketError]


class Outbox(Turns):
    """The sending half of a connection.

    Attributes:
        has_posted (bool): True when whoever has the role, or reads, must look for something: a frame that was posted
            or left, an open message, the end of sending. A moment ago it may have been done already.
        given_up (ConnectionLostError | None): set when this side ended the connection in the middle of a frame.
        send_timeout (float | None): seconds to wait for other senders, and again for a peer that takes nothing; None
            for ever.
        tally (Tally): what has gone; a frame under way counts.
    """

    __slots__ = (
        "_on_leftover",
        "_on_over",
        "_retire",
        "_transport",
        "given_up",
        "send_timeout",
    )

    def __init__(
        self,
        transport: Transport,
        on_leftover: _Callback,
        on_wait: _Callback = nothing,
        on_over: _OnOver = lambda error: error,
    ) -> None:
        """Make an outbox.

        `on_leftover` is called when a sender gave up in mid-frame: the reader must push the rest; `on_wait` when a
        sender waits for the peer: somebody must read, for it may have said why. `on_over` is given the error of a send
        that found the connection over, and returns the one to raise; nothing is held meanwhile, so it may wait.
        """
        self._writer = FrameWriter(transport, on_wait)
        self.tally = self._writer.tally
        super().__init__(Posted(self.tally))
        self._transport = transport
        self.direct, self._meter = direct_way(transport) if accelerated else (None, None)
        self._on_leftover, self._on_over = on_leftover, on_over
        # The thread that has the role. A send that finds its own number is one in a signal handler, in mid-frame.
        self._owner = _NOBODY
        self._retire: Callable[[], None] | None = None
        self.given_up: ConnectionLostError | None = None
        self.has_posted = False
        self.send_timeout: float | None = None

    # Whoever takes the writer role does so inside `try`, and gives it back in `finally` by statements without a call of
    # Python code between them: an interruption can come at the beginning of each function.

    def send(
        self,
        frame: bytes | memoryview,
        pieces: FramePieces | None = None,
        message: OpenMessage | None = None,
        encode: Encode | None = None,
    ) -> None:
        """Send one data frame, whole, before any other frame.

        Args:
            frame: the frame, or its first piece.
            pieces: the rest of it, None when there is none.
            message: the message of several frames that it belongs to, None when it is a whole message.
            encode: turns `frame` into what is sent, under the role; after that it cannot be taken back.

        Raises:
            OperationTimedOutError: the peer did not read in time (0x80072EE2); `is_queued` tells whether part of the
                frame had gone, in which case the rest will follow it.
            OperationCanceledError: closing began while this waited (0x80072EF1).
            ObjectClosedError: closing has begun (0x80000013).
            ConnectionLostError: the connection broke (0x80072EFE, 0x80072EFF).
            IllegalMethodCallError: another message is open, and waits for the application (0x8000000E).
            InvalidOperationError: this thread is in the middle of another send (0x800710DD).
        """
        try:
            self._send(frame, pieces, message, encode)
        except ConnectionOverError as exc:
            raise self._on_over(exc) from exc.__cause__

    def _send(
        self,
        frame: bytes | memoryview,
        pieces: FramePieces | None,
        message: OpenMessage | None,
        encode: Encode | None,
    ) -> None:
        own = threading.get_ident()
        if self._owner == own:
            raise InvalidOperationError("a signal handler cannot send while it interrupts a send")
        writer = self._writer
        has_frame = False
        try:
            has_role = self._role.acquire(False)
            if has_role:
                # Before it is looked at what must go first: from here on nobody sends at once.
                self._owner = own
            if not has_role or self.has_posted:
                self._make_way(has_role, bytes_of(frame, pieces, message), message)
            writer.is_torn = True
            if encode is not None:
                frame = encode(frame)
            try:
                sent = self._transport.send(frame)
            except OSError as exc:
                raise writer.note_broken(exc) from exc
            if sent != len(frame) or pieces is not None or self._transport.has_unsent:
                writer.begin(frame, sent, pieces, must_follow=encode is not None)
                has_frame = True
                writer.push(Patience(self.send_timeout))
            if message is None:
                writer.tally.whole += 1
            else:
                self._note_begun(message)
            writer.is_torn = False
        except BaseException as exc:  # of any kind: a signal handler may raise what it likes
            if self._owner == own:
                was_torn, writer.is_torn, self.has_posted = writer.is_torn, True, True
                self._give_up(exc, message if has_frame else None, has_frame=has_frame, was_torn=was_torn)
            raise
        finally:
            if self._owner == own:
                self._owner = _NOBODY
            try:
                self._role.release()
            except RuntimeError:
                pass  # A wait for it has ended without it.
            if self.has_posted:
                self._tell_of_leftover()

    # What send_at_once() leaves to Python.

    def _finish(self) -> None:
        """Wait until the frame that was begun is out; when it raises, as send() does, the rest follows later."""
        try:
            self._finish_begun()
        except ConnectionOverError as exc:
            raise self._on_over(exc) from exc.__cause__

    def _finish_begun(self) -> None:
        own = threading.get_ident()
        writer = self._writer
        try:
            if not self._role.acquire(False):
                self._wait_for_role(0, Deadline(self.send_timeout))
            self._owner = own
            self._drain(Patience(self.send_timeout))
            if writer.shut_reason is not None:
                # Sending was ended, maybe in the middle of this frame.
                raise writer.canceled_error()
        except BaseException as exc:  # of any kind, as in send()
            if self._owner == own:
                was_torn, writer.is_torn, self.has_posted = writer.is_torn, True, True
                self._give_up(exc, None, has_frame=False, was_torn=was_torn)
            if isinstance(exc, OperationTimedOutError):
                exc.is_queued = True
            raise
        finally:
            if self._owner == own:
                self._owner = _NOBODY
            try:
                self._role.release()
            except RuntimeError:
                pass  # A wait for it has ended without it.
            self._tell_of_leftover()

    def wait_until_idle(self) -> bool:
        """Wait until what senders have left has gone, with the time limit of send(); return whether it has.

        It has not, and will not meanwhile, in a signal handler that interrupted this thread's own send.
        """
        if self.is_interrupted_here:
            return False
        if not self.is_idle:
            try:
                self._finish()
            except WebSocketError:
                return False
        return not (self.is_broken or self._writer.has_dropped)

    def _tell_of_leftover(self) -> None:
        # What was posted meanwhile has to go: there may be no other sender.
        is_out = self.flush_without_waiting()
        if self.has_cut or not is_out:
            # Of a cut, too, for which Windows does not wake the reader.
            self._on_leftover()

    def _break_off(self, error: OSError) -> WebSocketError:
        """Return what a sender gets for an error of the system; another sender may have the role by now."""
        # The compiled part raises it: from here it would take along a frame that holds the whole connection.
        told = self._writer.note_lost(error)
        self.has_posted = True
        if self.has_cut:
            self._on_leftover()
        raised = self._on_over(told)
        raised.__cause__ = told.__cause__
        return raised

    def _make_way(self, has_role: bool, size: int, message: OpenMessage | None) -> None:
        """Wait for the writer role and for the end of another open message, then send what is left of earlier frames.

        Raises: as send. Then the role may be held or not.
        """
        deadline = Deadline(self.send_timeout)
        while True:
            if not has_role:
                self._wait_for_role(size, deadline)
                self._owner = threading.get_ident()
            current = self._open
            if current is None or current is message or current.state is MessageState.LEFT:
                break
            self._owner = _NOBODY
            self._role.release()
            has_role = False
            if self._role._is_owned():  # type: ignore[attr-defined] # what threading.Condition asks of a lock
                # Still this thread's: a signal handler interrupts a send that has the role, and has not noted itself as
                # the owner yet. Taken once more, because this send gives it back.
                self._role.acquire(False)
                raise InvalidOperationError("a signal handler cannot send while it interrupts a send")
            self._wait_for_turn(current, size, deadline)
        writer = self._writer
        if not self._is_over:
            # Once closing has begun this sender has nothing to send, so it waits for nothing that goes first.
            self._drain(Patience(self.send_timeout))
        if self._is_over:
            is_under_way = message is not None and message.frames is not None and message.has_begun
            raise writer.canceled_error() if is_under_way else writer.closed_error()

    def _drain(self, patience: Patience | None) -> bool:
        """Push out the frame under way, what was posted, and the rest of a message that was left; requires the role.

        Returns:
            False when there is no patience to wait with and the transport takes no more.
        """
        writer = self._writer
        if writer.is_torn:
            self._cut("sending was interrupted in the middle of a frame")
            return True
        writer.is_torn = True
        is_out = False
        while not is_out and writer.push(patience):
            self.has_posted = False
            frame = self._next_posted()
            is_out = frame is None
            if frame is not None:
                writer.begin(frame, 0, None)
        if not is_out or self._open is not None or self._posted.is_closing or writer.shut_reason is not None:
            self.has_posted = True
        writer.is_torn = False
        return is_out

    def _next_posted(self) -> bytes | None:
        """At a frame boundary: take what others have left; requires the role."""
        message = self._open
        has_left = self._has_left_frames
        # Its sender was told that the rest will be sent: the Close frame waits for it (RFC 6455 5.5.1 allows that).
        frame = self._posted.take(may_close=not has_left)
        if frame is None and message is not None and has_left:
            frame = message.next_frame()
            self._note_begun(message)
        return frame

    def _note_begun(self, message: OpenMessage) -> None:
        """Note that a frame of `message` cannot be taken back; requires the role."""
        message.frame = None
        message.has_begun = True
        self.tally.begun += 1
        if message.is_last:
            self.tally.ended += 1
            # A sender that found it open a moment ago looks at this.
            message.state = MessageState.OVER
            # While it is open: if this is interrupted, shut() wakes them. They go on when they get the role.
            message.wake()
            self._open = None
        else:
            self._open = message
            self.has_posted = True

    def _give_up(self, error: BaseException, message: OpenMessage | None, *, has_frame: bool, was_torn: bool) -> None:
        """Deal with what the end of a send leaves of its frame; requires the role.

        `is_torn` and `has_posted` are set before: if this is interrupted too, or finds the stack full, the next sender
        cuts the connection.
        """
        writer = self._writer
        if was_torn:
            self._cut(f"sending was interrupted in the middle of a frame, by {error.__class__.__name__}")
        if has_frame:
            self._let_go_of_frame(error, message)
        writer.is_torn = False

    def _let_go_of_frame(self, error: BaseException, message: OpenMessage | None) -> None:
        """Leave the frame of a send that has ended to others, or take it back; requires the role."""
        writer = self._writer
        if writer.has_begun and message is not None:
            self._note_begun(message)
        elif writer.has_begun:
            self.tally.whole += 1
        if not writer.has_begun or writer.shut_reason is not None:
            writer.forget()
        elif not writer.detach():
            # Neither can the frame be finished nor taken back.
            self._cut("sending was given up in the middle of a frame")
        elif isinstance(error, OperationTimedOutError):
            error.is_queued = True

    def _cut(self, reason: str) -> None:
        """End the connection in the middle of a frame; requires the role."""
        self.given_up = ConnectionLostError(reason)
        self._transport.abort()
        self.shut(self.given_up)
        self._writer.forget()
        self._writer.is_torn = False

    def leave(self, message: OpenMessage, error: OperationTimedOutError) -> None:
        """Give an open message up after the timeout that `error` reports; only its sender calls it.

        What remains is kept, where that is possible; otherwise the message will never be finished.
        """
        if self._open is not message:
            return
        # What the send pushed out at its end may have been a frame, and then the Close frame.
        frames = None if self._posted.has_closed else message.frames
        is_kept = frames is not None and frames.detach(MAX_KEPT_BYTES)
        # Part of a message that will never be whole is as good as nothing.
        error.is_queued = is_kept
        message.state = MessageState.LEFT if is_kept else MessageState.BROKEN
        self.has_posted = True
        message.wake()
        self._tell_of_leftover()

    # Posting: any thread.

    def post_pong(self, frame: bytes) -> None:
        """Leave a Pong for the next frame boundary, in place of one that was not sent yet (RFC 6455 5.5.3)."""
        self._posted.post_pong(frame)
        self.has_posted = True
        self.flush_without_waiting()

    def post_control(self, control: ControlFrame) -> None:
        """Leave a Ping, or a Pong that nobody asked for, for the next boundary; whoever posts wakes the reader."""
        self._posted.post_control(control)
        self.has_posted = True

    def withdraw_control(self, control: ControlFrame) -> None:
        """Take back what post_control() was given, if it has not gone yet."""
        self._posted.withdraw(control)

    def post_close(self, frame: bytes, reason: WebSocketError | None = None) -> None:
        """Leave the Close frame for the next frame boundary; no data frame goes after it, `reason` tells senders."""
        if reason is not None:
            self._writer.closing_reason = reason
        self._posted.post_close(frame)
        self.has_posted = True
        self._wake_turn()
        self.flush_without_waiting()

    def shut(self, reason: WebSocketError) -> None:
        """End sending: whoever waits, and whoever comes, gets `reason`. The first reason stays. Never waits."""
        self._writer.shut(reason)
        self.has_posted = True
        self._wake_turn()

    def fall_silent(self) -> None:
        """Raise no error for the end any more: the program ends."""
        self._writer.is_quiet = True

    def flush_without_waiting(self) -> bool:
        """Push out what was posted or left over, and close the transport when it is to be closed.

        Returns:
            False when there is more, and it needs the transport to be writable: the reader sees to it. True when
            all is out, or whoever holds the role will do it.
        """
        is_out = self._flush()
        # retire() may have found the role taken by this flush, and left the closing to it.
        return is_out if self._retire is None else self._flush()

    def _flush(self) -> bool:
        own = threading.get_ident()
        writer = self._writer
        while self._has_work or self._retire is not None:
            if self._owner == own:
                return True  # In a signal handler that interrupted this thread's own send, which will look.
            try:
                if not self._role.acquire(False):
                    return True
                self._owner = own
                self._close_transport()
                if writer.shut_reason is not None:
                    return True
                if not self._drain(None):
                    return False
            except BaseException as exc:  # of any kind, as in send()
                if self._owner == own:
                    was_torn, writer.is_torn, self.has_posted = writer.is_torn, True, True
                    self._give_up(exc, None, has_frame=False, was_torn=was_torn)
                if isinstance(exc, WebSocketError) and writer.shut_reason is not None and self.given_up is None:
                    # The connection is gone, or closed meanwhile: the reason is kept for the next sender.
                    return True
                raise
            finally:
                if self._owner == own:
                    self._owner = _NOBODY
                try:
                    self._role.release()
                except RuntimeError:
                    pass  # Another thread has it.
        return True

    # The end.

    def retire(self, close_transport: Callable[[], None], *, may_wait: bool = True) -> None:
        """Close the transport as soon as no sender uses it; the reader calls it last, after shut().

        Senders leave at once, for shut() has woken them; a thread that the system does not run for a second closes
        the transport itself when it leaves. So does one that was not woken because the program ends, if it ever does.
        """
        self._retire = close_transport
        self.has_posted = True
        try:
            if self._role.acquire(timeout=closing.LEAVE_SECONDS if may_wait and not self._writer.is_quiet else 0):
                self._close_transport()
        finally:
            try:
                self._role.release()
            except RuntimeError:
                pass  # Another thread has it.

    def _close_transport(self) -> None:
        """Close the transport if it is to be closed; requires the role."""
        close_transport, self._retire = self._retire, None
        if close_transport is not None:
            close_transport()
            if self._open is not None and self._has_left_frames:
                self._writer.has_dropped = True
            # Buffers of the application's are not held for as long as it holds the socket.
            self._writer.forget()
            self._open = None
            self._writer.close_waker()

    def let_go_in_child(self, error: WebSocketError) -> None:
        """In a forked child: whoever sends gets `error`."""
        message = self._open
        self._role = locks.RLock()
        self._owner = _NOBODY
        self._open = self._retire = None
        self._waiting = {}
        self._posted.forget()
        self._writer.let_go_in_child(error)
        self.has_posted = True
        if message is not None:
            message.wake()

    # What others ask; true a moment ago.

    @property
    def is_interrupted_here(self) -> bool:
        """True in a signal handler that interrupted this thread's own send: only its return lets that go on."""
        return self._owner == threading.get_ident()

    @property
    def is_broken(self) -> bool:
        """True when sending has found out that the connection is lost, or has cut it."""
        return isinstance(self._writer.shut_reason, ConnectionLostError)

    @property
    def has_cut(self) -> bool:
        """True when this side has shut the connection, for what it could not send; False for the peer's doing."""
        reason = self._writer.shut_reason
        return isinstance(reason, ConnectionLostError) and not isinstance(reason.__cause__, ConnectionError)

    @property
    def loss(self) -> ConnectionLostError | None:
        """How this side cut the connection, or the reset that a send was told of: a read then finds only the end."""
        reason = self._writer.shut_reason
        if isinstance(reason, ConnectionLostError) and isinstance(reason.__cause__, ConnectionResetError):
            return reason
        return self.given_up

    @property
    def is_idle(self) -> bool:
        """True when nothing is left to push out."""
        return not self._has_work

    @property
    def _has_work(self) -> bool:
        return not self.is_broken and (self._writer.has_rest or bool(self._posted) or self._has_left_frames)
