"""The conversation that the fault campaign breaks: what the client asks, and the frames that the server answers.

Pure, and the same every time. It has each kind of frame that a server sends: text and binary, short and long, whole
and in fragments, cut inside a character, pings between fragments, empty messages, and the Close frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CONVERSATION", "MESSAGES", "Exchange", "Message", "Step", "as_bytes"]

Message = str | bytes

_FIN = 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_SENTENCE = "Zażółć gęślą jaźń, 日本語 😀. "


@dataclass(frozen=True)
class Step:
    """A frame of the server, and the message that it completes, if any."""

    first: int
    payload: bytes
    completes: Message | None = None


@dataclass(frozen=True)
class Exchange:
    """What the client sends, and what the server then does; `total` messages have come from it at the end of it."""

    question: Message
    answer: tuple[Step, ...]
    total: int


def as_bytes(message: Message) -> bytes:
    """Return a message's payload."""
    return message.encode() if isinstance(message, str) else message


def _whole(message: Message) -> tuple[Step, ...]:
    opcode = _TEXT if isinstance(message, str) else _BINARY
    return (Step(_FIN | opcode, as_bytes(message), message),)


def _in_fragments(message: Message, *cuts: int) -> tuple[Step, ...]:
    payload = as_bytes(message)
    opcode = _TEXT if isinstance(message, str) else _BINARY
    steps = []
    for start, stop in zip((0, *cuts), (*cuts, len(payload)), strict=True):
        is_last = stop == len(payload)
        first = opcode | (_FIN if is_last else 0)
        steps += [Step(first, payload[start:stop], message if is_last else None), Step(_FIN | _PING, b"between")]
        opcode = _CONTINUATION
    return tuple(steps[:-1])


def _exchanges(questions: Sequence[Message], answers: Sequence[tuple[Step, ...]]) -> tuple[Exchange, ...]:
    made = []
    total = 0
    for question, answer in zip(questions, answers, strict=True):
        total += sum(step.completes is not None for step in answer)
        made.append(Exchange(question, answer, total))
    return tuple(made)


CONVERSATION = _exchanges(
    ("first", b"second", "trzeci " * 20, b"\4" * 300, "", "sixth"),
    (
        _whole("hello") + _whole(b"\0\1\2\3"),
        _in_fragments(_SENTENCE, 4, 9, 40) + _whole(""),
        tuple(step for number in range(12) for step in _whole(f"number {number}")),
        _in_fragments(bytes(range(256)) * 3, 1, 500) + (Step(_FIN | _PONG, b"unasked"),),
        _whole(_SENTENCE * 30) + _whole(b"") + _whole(b"\xff" * 700),
        _whole("last") + (Step(_FIN | _CLOSE, b"\x03\xe8bye"),),
    ),
)

MESSAGES: tuple[Message, ...] = tuple(
    step.completes for exchange in CONVERSATION for step in exchange.answer if step.completes is not None
)
