"""A caller that reads itself: receive(), or a stream's read, that has found the inbox empty and the reading role free.

Everything here runs on the thread that receives, except finish(), which the next reader calls. It receives, decodes,
puts messages into the inbox and answers pings; handlers and the end of the connection are the reader thread's.

The rule for interruptions, which come on a thread of the application's only. What came from the socket is put into the
reader's `undecoded` by one step, and what was decoded into `_decoded` by another; `is_torn` is true from the first step
until all is in the inbox. The next reader goes on from there. Decoding starts over where no message was under way
before it; where one was, an interruption in the middle of decoding ends the connection.
"""

import threading
from typing import TYPE_CHECKING, Any

from syncws._connection.receiving.answers import answer
from syncws._connection.receiving.inbox import BUSY, LATE, LOOK
from syncws._streams.operation import Operation
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import READABLE, SLICE_SECONDS, WOKEN, WRITABLE, Readiness, make_readiness
from syncws._wire.decoder import Decoder
from syncws._wire.frame_decoder import Checkpoint
from syncws._wire.incoming import Message, Ping, Pong
from syncws.errors import ConnectionLostError
from syncws.events import Event

if TYPE_CHECKING:
    from syncws._connection.receiving.reader import Reader

__all__ = ["Puller"]

# Reads in a row that bring nothing to take, and how long they may last; then it is looked whether the wait is over. A
# peer may go on for ever with empty fragments, of which one read brings thousands.
_MOST_READS = 16
_MOST_SECONDS = 0.05

# A checkpoint of a decoder that has taken nothing since.
_UNTOUCHED: tuple[()] = ()


class Puller:
    """What fills an empty inbox on the thread that takes.

    Attributes:
        role (SessionRole): the session's.
        is_torn (bool): True while bytes are on their way from the socket into the inbox.
    """

    __slots__ = (
        "_decoded",
        "_main",
        "_reader",
        "_resume_from",
        "_sliced",
        "_torn_by",
        "_whole_decoder",
        "is_torn",
        "role",
    )

    def __init__(self, reader: "Reader") -> None:
        """Make it for a connection that is made."""
        self._reader = reader
        self.role = reader.session.role
        decoder = reader.decoder
        # What pull_one() asks; None for pieces, for what may be compressed, and where frames are told in the log.
        self._whole_decoder: Decoder | None = None
        if isinstance(decoder, Decoder) and decoder.inflater is None and reader.decode == decoder.receive_data:
            self._whole_decoder = decoder
        self._main = threading.main_thread().ident
        # For the main thread, whose waits a signal must end; made when that reads.
        self._sliced: Readiness | None = None
        # What the last read has brought, until it is in the inbox: see Reader.separate.
        self._decoded: tuple[Any, list[Ping | Pong]] | None = None
        # The decoder's checkpoint before the read under way.
        self._resume_from: Checkpoint | tuple[()] | None = None
        # What ended the read that left `is_torn`: an interruption, as a rule, or there was no memory.
        self._torn_by: type[BaseException] = KeyboardInterrupt
        self.is_torn = False

    @property
    def is_free(self) -> bool:
        """True when nobody reads, and no thread was started to do so."""
        role = self.role
        return not role.holders and (not role.is_asked or role.is_short_of_threads)

    def pull(self, operation: Operation, deadline: Deadline) -> int:
        """Read once, if nobody else does.

        Returns:
            LOOK when something may have changed, LATE when the deadline has passed without, BUSY when another thread
            reads or must: that tells the inbox what it reads, and when it gives way.
        """
        role = self.role
        holders = role.holders
        outcome = BUSY
        try:
            if holders.setdefault(None, operation) is operation:
                # False until the end of the read: an interruption leaves it so.
                role.is_drained = False
                outcome = self._read(operation, deadline)
                role.is_drained = not self._reader.has_leftover
            else:
                role.want()
        except BaseException as exc:  # of any kind: an error tells of it if the connection is cut for it
            self._torn_by = exc.__class__
            raise
        finally:
            # Without a call before the role is given back: an interruption can come after each call.
            try:
                if holders[None] is operation:
                    del holders[None]
            except KeyError:
                pass  # Taken away in a signal handler, which needed a reader.
            if role.is_asked:
                role.settle()
        if outcome == BUSY and role.read_without_thread():
            return LATE if deadline.is_expired else LOOK
        return outcome

    def pull_one(self, operation: Operation, deadline: Deadline, event: Event[Any, Any]) -> Message | None:
        """Read once, if nobody else does, and return the message when a single small one is all that came.

        This is how a conversation goes, turn by turn, without the detour through the inbox. Whatever else came or
        happened is left for pull().

        Args:
            operation, deadline: of the wait.
            event: whose handlers would get the message; when there are some now it is theirs.
        """
        decoder = self._whole_decoder
        if decoder is None:
            return None
        role = self.role
        holders = role.holders
        message = None
        try:
            if role.is_drained and not role.is_asked and holders.setdefault(None, operation) is operation:
                role.is_drained = role.is_wanted = False
                role.pulls += 1
                session = self._reader.session
                # First without waiting: the answer may be there already. What is to be sent goes first, in the wait.
                if not (session.outbox.has_posted or session.transport.has_unsent):
                    message = self._take_one(operation, decoder, event)
                if (
                    message is None
                    and not (self._reader.undecoded or self._reader.may_have_more or role.is_asked)
                    and self._wait(operation, deadline) == READABLE
                ):
                    message = self._take_one(operation, decoder, event)
                role.is_drained = not self._reader.has_leftover
        except BaseException as exc:  # of any kind: an error tells of it if the connection is cut for it
            self._torn_by = exc.__class__
            raise
        finally:
            # As in pull().
            try:
                if holders[None] is operation:
                    del holders[None]
            except KeyError:
                pass
            if role.is_asked:
                role.settle()
        return message

    def _take_one(self, operation: Operation, decoder: Decoder, event: Event[Any, Any]) -> Message | None:
        reader = self._reader
        role = self.role
        message = None
        # As in _read().
        operation.is_busy = True
        if role.holders.get(None) is not operation:
            return None
        self._resume_from = _UNTOUCHED
        self.is_torn = True
        if reader.fetch():
            message = decoder.only_message(reader.undecoded[0])  # type: ignore[arg-type]
            if role.is_asked or event.handlers:
                message = None
            elif message is not None:
                # This is the step that takes the message.
                reader.undecoded.clear()
                decoder.tally.whole += 1
        elif reader.is_at_end:
            role.is_asked = True
        self.is_torn = operation.is_busy = False
        return message

    def _read(self, operation: Operation, deadline: Deadline) -> int:
        reader = self._reader
        role = self.role
        role.is_wanted = False
        role.pulls += 1
        if self.is_torn:
            self._mend()
        reads = 0
        turn: Deadline | None = None
        while not (role.is_asked and role.needs_thread):
            ready = 0
            if not (reader.may_have_more or reader.undecoded or reader.decoder.has_more or self._decoded is not None):
                ready = self._wait(operation, deadline)
                if not ready & READABLE:
                    if ready & WOKEN:
                        return LOOK
                    if deadline.is_expired:
                        return LATE
                    if not role.is_held_by(operation):
                        # Taken away in a signal handler: from then on others read, and wake nobody who waits here.
                        return BUSY
                    continue
            # Set first: from here on no signal handler takes the role away. One may have done so just before.
            operation.is_busy = True
            if role.holders.get(None) is not operation:
                return BUSY
            self._resume_from = reader.decoder.checkpoint
            self.is_torn = True
            has_content, has_controls = self._take_in()
            self.is_torn = operation.is_busy = False
            if reader.is_at_end or reader.decoder.is_dead:
                role.is_asked = True
            if has_content:
                return LOOK
            reads += 1
            turn = turn or Deadline(_MOST_SECONDS)
            if has_controls or ready & WOKEN or reads == _MOST_READS or turn.is_expired:
                # The time is looked at here too: a peer may send pings alone, and never pause.
                return LATE if deadline.is_expired else LOOK
        return BUSY

    def _wait(self, operation: Operation, deadline: Deadline) -> int:
        """Wait for bytes, a wake-up or the deadline; return what is ready, 0 also for no reason."""
        session = self._reader.session
        interest = READABLE
        if session.outbox.has_posted and session.outbox.has_cut:
            # As in Reader._wait.
            return READABLE
        if (session.outbox.has_posted or session.transport.has_unsent) and not session.outbox.flush_without_waiting():
            interest |= WRITABLE
        readiness = self._reader.readiness if operation.thread != self._main else self._sliced or self._slice()
        try:
            ready = readiness.wait(interest, deadline)
        except (OSError, ValueError):
            # Where the system has no poll: in a signal handler, just now, the connection came to its end.
            if session.role.is_held_by(operation):
                raise
            return WOKEN
        if ready & WOKEN and session.role.is_held_by(operation):
            session.waker.clear()
            if not session.role.is_held_by(operation):
                # In a signal handler, just now: the waking may have been for the thread that reads instead.
                session.waker.wake()
        return ready

    def _slice(self) -> Readiness:
        session = self._reader.session
        self._sliced = make_readiness(session.transport.fileno(), session.waker.fileno(), SLICE_SECONDS)
        return self._sliced

    # From the socket into the inbox.

    def _take_in(self) -> tuple[bool, bool]:
        """Receive, decode and put into the inbox; return whether anything came for it, and whether pings or pongs."""
        decoded = self._decoded
        if decoded is None:
            reader = self._reader
            undecoded = reader.undecoded
            if not undecoded:
                if reader.decoder.has_more:
                    undecoded.append(b"")
                elif not reader.fetch():
                    return False, False
            events = reader.decode(undecoded[0])
            if not events:
                # A part of a message.
                undecoded.clear()
                return False, False
            decoded = self._decoded = reader.separate(events)
            undecoded.clear()
        return self._give_out(decoded)

    def _give_out(self, decoded: tuple[Any, list[Ping | Pong]]) -> tuple[bool, bool]:
        content, controls = decoded
        reader = self._reader
        has_content = reader.put(content)
        for event in controls:
            answer(reader.session, event)
        self._decoded = None
        return has_content, bool(controls)

    def finish(self) -> None:
        """Bring what an interrupted read had decoded to where it belongs; on the thread that reads next."""
        if self.is_torn:
            self._mend()
        if self._decoded is not None:
            self._give_out(self._decoded)

    def _mend(self) -> None:
        """Make good what an interruption has left."""
        reader = self._reader
        reader.may_have_more = True
        if self._decoded is not None:
            # All is decoded, and the bytes are done with.
            reader.undecoded.clear()
        elif reader.undecoded and self._resume_from is not None:
            # The bytes are there, and the decoder can be set back to before them.
            if self._resume_from:
                reader.decoder.restart(self._resume_from)
        elif reader.undecoded or reader.decoder.room is not None or reader.session.transport.is_torn:
            # Nobody knows how much of a message has been taken.
            self._cut()
        self.is_torn = False

    def _cut(self) -> None:
        reader = self._reader
        session = reader.session
        why = self._torn_by.__name__
        session.loss = ConnectionLostError(f"receiving was interrupted in the middle of a message, by {why}")
        session.role.is_asked = True
        reader.cut()
