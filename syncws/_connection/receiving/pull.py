"""Receiving by pull beside the plain call: with a token, in a loop, and what JSON stands for.

Runs on the thread that receives or sends.
"""

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from syncws._waiting.deadline import Deadline
from syncws._wire.incoming import Message
from syncws.cancellation import CancellationToken
from syncws.errors import (
    InvalidArgumentError,
    InvalidArgumentTypeError,
    OperationCanceledError,
    OperationTimedOutError,
)

if TYPE_CHECKING:
    from syncws._connection.message_session import MessageSession
    from syncws._connection.receiving.at_hand import AtHand
    from syncws.events import Event

__all__ = ["MessageIterator", "as_json", "content_of", "from_json", "receive_until_canceled"]


class MessageIterator:
    """The iterator over a socket's messages. Not a generator, which an interruption of a wait would end."""

    __slots__ = ("_at_hand", "_event", "_take")

    def __init__(self, at_hand: "AtHand | None", event: "Event[Any, Any]", take: Callable[[], Message | None]) -> None:
        """Make it.

        Args:
            at_hand: what it may take at once; None when each message is to be taken by `take`.
            event: the one whose handlers would get the messages.
            take: waits for a message, and returns None at the end.
        """
        self._at_hand = at_hand
        self._event = event
        self._take = take

    def __iter__(self) -> "MessageIterator":
        return self

    def __next__(self) -> str | bytes:
        at_hand = self._at_hand
        if at_hand is not None and (content := at_hand.take(self._event.handlers)) is not None:
            return content
        taken = self._take()
        if taken is None:
            raise StopIteration
        return content_of(taken)


def content_of(message: Message) -> str | bytes:
    """Return the text of a text message, the bytes of a binary one."""
    text, payload = message._text, message._payload
    if text is not None:
        return text
    assert payload is not None
    return payload


class _TokenChanged(Exception):
    """Raised in the middle of a receive that is to begin anew; nothing has been taken."""


def receive_until_canceled(
    session: "MessageSession",
    deadline: Deadline,
    token: CancellationToken,
    check: Callable[[], object],
    wake: Callable[[], None],
) -> Message | None:
    """Wait for a message as session.receive does, until the token is cancelled; `wake` has the wait look again.

    Raises:
        OperationCanceledError: the token is cancelled; a message that came stays for the next call (0x800704C7).
        As for the rest: as session.receive.
    """

    changes: list[None] = []

    def note_change() -> None:
        changes.append(None)
        wake()

    def check_all() -> None:
        if token.is_cancellation_requested:
            raise OperationCanceledError("the receive was canceled by the cancellation_token")
        if changes:
            raise _TokenChanged
        check()

    key = object()
    token._add_listener(key, note_change)
    try:
        while True:
            changes.clear()
            try:
                return session.receive(token._limit(deadline), check_all)
            except _TokenChanged:
                # Its time may be another now.
                continue
            except OperationTimedOutError:
                # The token's time, most likely, which check_all tells.
                if deadline.is_expired and not token.is_cancellation_requested:
                    raise
    finally:
        token._remove_listener(key)


def as_json(value: object) -> str:
    """Return the JSON text for a value.

    Raises:
        InvalidArgumentTypeError: it has none (0x80070057).
        InvalidArgumentError: it holds itself, a NaN or an infinity (0x80070057).
    """
    # Not loaded before a program has JSON to send or receive.
    import json

    dumps = _of_orjson("dumps")
    if dumps is not None:
        try:
            return bytes(dumps(value)).decode()
        except TypeError:
            pass  # json knows what it does not: keys that are numbers, integers of any size.
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except TypeError as exc:
        raise InvalidArgumentTypeError(f"the value has no JSON: {exc}") from None
    except (ValueError, RecursionError) as exc:
        raise InvalidArgumentError(f"the value has no JSON: {exc}") from None


def from_json(content: str | bytes) -> Any:
    """Return what a JSON text stands for.

    Raises:
        json.JSONDecodeError: it is none, or its bytes are no UTF-8, or it is nested too deeply.
    """
    import json

    loads = _of_orjson("loads") or json.loads
    try:
        # RFC 8259 8.1: UTF-8, where the standard library would guess.
        text = content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as exc:
        raise json.JSONDecodeError(
            f"no UTF-8 ({exc.reason})", exc.object.decode("utf-8", "replace"), exc.start
        ) from None
    try:
        return loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", text, 0) from None


def _of_orjson(name: str) -> Callable[[Any], Any] | None:
    """Return a function of orjson, None where it is not installed."""
    orjson = _orjson()
    function: Callable[[Any], Any] | None = getattr(orjson, name, None)
    return function


@functools.cache
def _orjson() -> ModuleType | None:
    """Return orjson, which is looked for once: a search that finds nothing costs more than reading a message."""
    try:
        return importlib.import_module("orjson")
    except ImportError:
        return None
