"""What stands in the places of the library's functions that compliance/mechanisms.py takes out.

Each is called with the present function, and then with that one's arguments.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = [
    "a_monitor_each",
    "agree_to_all",
    "any_length",
    "any_number",
    "believe_at_once",
    "bytes_are_no_life",
    "close_in_peace",
    "compress_before_the_turn",
    "endless_head",
    "give_all_out_at_once",
    "hold_the_owner",
    "in_one_wait",
    "inflate_all_at_once",
    "keep_all_pongs",
    "keep_at_hand",
    "keep_the_lock",
    "look_before_noting",
    "may_be_left_out",
    "no",
    "no_deadline",
    "nothing",
    "one_after_the_other",
    "shut_down_first",
    "since_the_ping",
    "to_anywhere",
    "wait_for_ever",
    "with_everything",
    "without_a_guard",
    "without_a_word",
]


def nothing(_: object, *__: Any, **___: Any) -> None:
    """Do nothing."""


def no(_: object, *__: Any, **___: Any) -> bool:
    """Answer no."""
    return False


def wait_for_ever(present: Callable[..., Any], session: Any, _: object) -> Any:
    """Wait without the limit that was given."""
    from syncws._waiting.deadline import FOREVER

    return present(session, FOREVER)


def no_deadline(*_: Any) -> Any:
    """Give no deadline."""
    from syncws._waiting.deadline import FOREVER

    return FOREVER


def any_number(present: Callable[..., Any], inbox: Any, *arguments: Any) -> None:
    """Let an inbox hold any number of messages."""
    present(inbox, *arguments)
    inbox._max_count = sys.maxsize


def bytes_are_no_life(present: Callable[..., Any], keep_alive: Any, session: Any) -> Any:
    """Count no bytes as life, only pongs."""
    keep_alive._asked_bytes = session.inbound.total_bytes
    return present(keep_alive, session)


def since_the_ping(_: object, keep_alive: Any, __: object, now: float) -> Any:
    """Count silence from the ping on, whatever the server took since."""
    return now if keep_alive._asked_at is None else keep_alive._asked_at


def believe_at_once(_: object, reader: Any, silence: Any) -> Any:
    """Take silence for the end without looking into the socket."""
    return reader.session.take_silence(silence.reason)


def a_monitor_each(*_: Any) -> Any:
    """Make a monitor for each connection."""
    from syncws._connection.monitor import Monitor

    return Monitor()


def close_in_peace(_: object, socket: Any, *__: object) -> None:
    """Close as if no exception had left the block."""
    socket.close()


def one_after_the_other(present: Callable[..., Any], sessions: Any, deadline: Any) -> None:
    """Give each session all of the time, one after the other."""
    from syncws._waiting.deadline import Deadline

    seconds = deadline.remaining
    for session in sessions:
        present([session], Deadline(seconds))


def hold_the_owner(present: Callable[..., Any], session: Any, *arguments: Any) -> None:
    """Hold the application's object as long as the session."""
    present(session, *arguments)
    owner = session.owner()
    session.owner = lambda: owner


def without_a_word(_: object, session: Any, __: str) -> None:
    """Abandon a dropped socket without a warning."""
    session.abandon()


def shut_down_first(present: Callable[..., Any], transport: Any) -> None:
    """Shut the connection down that the parent still uses."""
    transport._lock = type(transport._lock)()
    transport.abort()
    present(transport)


def keep_the_lock(present: Callable[..., Any], inbox: Any) -> None:
    """Leave an inbox the lock that it had at the fork."""
    lock = inbox._lock
    inbox._lock = threading.RLock()
    present(inbox)
    inbox._lock = lock


def in_one_wait(_: object, lock: Any, seconds: float | None, *__: object) -> Any:
    """Wait for a lock in one piece."""
    return lock.acquire(timeout=-1 if seconds is None else seconds)


def keep_all_pongs(present: Callable[..., Any], posted: Any, *arguments: Any) -> None:
    """Keep every pong that has not gone."""
    present(posted, *arguments)
    posted._pong = deque()


def any_length(present: Callable[..., Any], decoder: Any, *arguments: Any, **keywords: Any) -> None:
    """Refuse no length."""
    decoder._max_message_size = 1 << 63
    present(decoder, *arguments, **keywords)


def endless_head(_: object, reader: Any) -> bytes | None:
    """Read a head of any size."""
    from syncws._net.exchange import receive_some

    buffer = bytearray(reader.remainder)
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        piece = receive_some(reader._transport, reader._waiter, 65536)
        if not piece:
            return None
        buffer += piece
    reader.remainder = bytes(buffer[end + 4 :])
    return bytes(buffer[: end + 4])


def with_everything(_: object, settings: Any) -> Any:
    """Take all settings along."""
    return settings


def to_anywhere(_: object, answer: Any, uri: Any, settings: Any) -> Any:
    """Follow a redirect wherever it leads."""
    from syncws._net.http.redirects import _target

    return _target(answer, uri), settings


def without_a_guard(_: object, __: object, handlers: Any, sender: object, args: object) -> int:
    """Call handlers and let what they raise through."""
    for handler in handlers:
        handler(sender, args)
    return 0


# The short ways of small messages.


def keep_at_hand(present: Callable[..., Any], inbox: Any) -> Any:
    """Do what is to be done, and leave the messages at hand."""
    messages = inbox.at_hand.messages
    try:
        return present(inbox)
    finally:
        inbox.at_hand.messages = messages


def look_before_noting(_: object, outbox: Any, frame: Any, *__: Any) -> None:
    """Send a whole frame, and look what must go first before the owner of the role is noted."""
    with outbox._role:
        if outbox.has_posted:
            outbox._make_way(True, len(frame), None)
        outbox._owner = threading.get_ident()
        outbox._transport.send(frame)
        outbox._owner = 0
    if outbox.has_posted:
        outbox._tell_of_leftover()


# Compression.


def inflate_all_at_once(present: Callable[..., Any], inflater: Any, _: int) -> Any:
    """Inflate without a limit for the piece."""
    return present(inflater, 1 << 40)


def give_all_out_at_once(present: Callable[..., Any], decoder: Any, events: Any) -> Any:
    """Give out in one call all that there is."""
    decoder._inflated_limit = 1 << 62
    return present(decoder, events)


def compress_before_the_turn(_: object, sending: Any, opcode: int, payload: Any, deflater: Any) -> None:
    """Compress before the writer role is there."""
    from syncws._wire.frames import RSV1, encode_frame

    frame = encode_frame(opcode | RSV1, deflater.compress(payload))
    # Others go ahead here, on a busy machine too.
    threading.Event().wait(0.001)
    sending.outbox.send(frame)


def may_be_left_out(present: Callable[..., Any], *arguments: Any, must_follow: bool = False) -> None:
    """Let a frame be taken back that was compressed."""
    present(*arguments)


def agree_to_all(_: object, __: object, offered: Any) -> Any:
    """Take any answer for what was offered."""
    return offered
