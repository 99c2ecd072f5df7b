"""What is fuzzed: a function for each decoder, which takes any bytes and raises Finding when they show a defect.

May import all of syncws. Each target feeds one input whole, byte by byte and in random pieces: only documented errors
may come, and every split must give the same. The random pieces depend on the input alone, so that an input is all
that is needed to see a finding again.
"""

import random
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest import mock

from websocket import _handshake as library_handshake

from syncws._net.http.authentication import SERVER, Authentication
from syncws._net.http.cookies import Cookies
from syncws._net.http.handshake import OpeningRequest, open_websocket
from syncws._net.transport import MANY_BYTES
from syncws._streams.byte_source import MemorySource
from syncws._streams.data_reader import DataReader, MessageReader
from syncws._streams.input_stream import InputStream
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.decoder import Decoder
from syncws._wire.deflate import Inflater
from syncws._wire.engine import best_engine
from syncws._wire.extension import Agreement
from syncws._wire.frame_decoder import NO_LIMIT, FrameDecoder
from syncws._wire.incoming import CloseFrame, Incoming, Message, MessagePiece, Ping, Pong, Violation
from syncws._wire.piece_decoder import PieceDecoder
from syncws._wire.uri import parse_uri
from syncws.enums import ByteOrder, UnicodeEncoding
from syncws.errors import (
    ConnectionLostError,
    HandshakeError,
    HttpStatusError,
    InvalidArgumentError,
    MessageTooBigError,
    NoUnicodeTranslationError,
    OutOfBoundsError,
    ProtocolViolationError,
    WebSocketError,
)

__all__ = ["ACCEPT_MARK", "TARGETS", "Finding", "Target"]

Told = tuple[Any, ...]
Target = Callable[[bytes], None]
_DecoderT = TypeVar("_DecoderT", bound=FrameDecoder)

ACCEPT_MARK = b"{accept}"
"""What in an input for the handshake stands for the Sec-WebSocket-Accept that answers the key."""

_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""A key and what answers it (RFC 6455 1.3)."""

_LIMITS = (1 << 20, 1 << 20, 1 << 20, 130, 5, 0, 65536, 1 << 63)


class Finding(Exception):
    """An input that shows a defect."""


def _pieces(data: bytes, *, seed: int = 0) -> Iterator[bytes]:
    """Cut at random, mostly into short pieces, and now and then into an empty one."""
    rng = random.Random(zlib.crc32(data) ^ seed)
    position = 0
    while position < len(data):
        stop = position + rng.choice((0, 1, 1, 2, 3, 5, 8, 13, 40, 200))
        yield data[position:stop]
        position = stop


def _bytes_of(data: bytes) -> Iterator[bytes]:
    return (data[index : index + 1] for index in range(len(data)))


def _compare(name: str, expected: object, other: object) -> None:
    if expected != other:
        raise Finding(f"{name} gave\n  {other!r}\nwhere the whole input gave\n  {expected!r}")


# Frames.


def check_frames(data: bytes) -> None:
    """Let both decoders read a stream of frames; the first byte chooses the limit of a message's size."""
    if not data:
        return
    limit = _LIMITS[data[0] % len(_LIMITS)]
    stream = data[1:]
    expected = _read_whole(Decoder(limit), (stream,))
    _compare("Decoder byte by byte", expected, _read_whole(Decoder(limit), _bytes_of(stream)))
    _compare("Decoder in pieces", expected, _read_whole(Decoder(limit), _pieces(stream)))
    _compare("PieceDecoder at once", expected, _read_pieces(PieceDecoder(limit), (stream,)))
    _compare("PieceDecoder in pieces", expected, _read_pieces(PieceDecoder(limit), _pieces(stream, seed=1)))


def _inflating(decoder: _DecoderT, agreement: Agreement, library: Any = zlib) -> _DecoderT:
    decoder.inflater = Inflater(agreement, library)
    return decoder


def check_deflate(data: bytes) -> None:
    """Let both decoders read a stream of frames with compressed messages; the first byte says what was agreed."""
    if not data:
        return
    agreement = Agreement(server_context_takeover=data[0] < 128)
    stream = data[1:]

    def told(decoder: Decoder | PieceDecoder, pieces: Iterable[bytes]) -> list[Told]:
        read = _read_whole(decoder, pieces) if isinstance(decoder, Decoder) else _read_pieces(decoder, pieces)
        # Of two faults near each other the split decides which is seen first, and both are the data's.
        return [event[:2] if event[0] == "violation" else event for event in read]

    expected = told(_inflating(Decoder(NO_LIMIT), agreement), (stream,))
    for pieces in (_bytes_of(stream), _pieces(stream)):
        _compare("Decoder in pieces", expected, told(_inflating(Decoder(NO_LIMIT), agreement), pieces))
    for pieces in (iter((stream,)), _pieces(stream, seed=1)):
        _compare("PieceDecoder", expected, told(_inflating(PieceDecoder(), agreement), pieces))
    # Where the extra `fast` is installed, another library's eyes.
    _compare("zlib-ng", expected, told(_inflating(Decoder(NO_LIMIT), agreement, best_engine()), (stream,)))
    # With limits, and a window that what comes may not keep to, only documented errors may come.
    limit, narrow = _LIMITS[data[0] % len(_LIMITS)], agreement._replace(server_max_window_bits=9)
    for event in _feed(_inflating(Decoder(limit), narrow), _pieces(stream)):
        _describe(event)
        if isinstance(event, Message) and event.length > limit:
            raise Finding(f"a message of {event.length} bytes, where {limit} are allowed")


def _feed(decoder: FrameDecoder, pieces: Iterable[bytes]) -> Iterator[Incoming]:
    for piece in pieces:
        yield from decoder.receive_data(piece)
        while decoder.has_more:
            yield from decoder.receive_data(b"")


def _read_whole(decoder: Decoder, pieces: Iterable[bytes]) -> list[Told]:
    return [_describe(event) for event in _feed(decoder, pieces)] + [("dead", decoder.is_dead)]


def _read_pieces(decoder: PieceDecoder, pieces: Iterable[bytes]) -> list[Told]:
    """Read pieces of messages, and put together those of each message that comes to its end."""
    told: list[Told] = []
    parts: list[MessagePiece] = []
    for event in _feed(decoder, pieces):
        if not isinstance(event, MessagePiece):
            told.append(_describe(event))
            continue
        parts.append(event)
        if event.is_last:
            payload = b"".join(part.payload or b"" for part in parts)
            if event.text is None:
                told.append(("binary", payload, len(payload)))
            else:
                text = "".join(part.text or "" for part in parts)
                if text.encode() != payload:
                    raise Finding(f"the text {text!r} of pieces is not their payload {payload!r}")
                told.append(("text", text, len(payload)))
            parts = []
    return told + [("dead", decoder.is_dead)]


def _describe(event: Incoming) -> Told:
    if isinstance(event, Message):
        return ("binary", event.payload, event.length) if event.text is None else ("text", event.text, event.length)
    if isinstance(event, Ping | Pong):
        return (type(event).__name__, event.payload)
    if isinstance(event, CloseFrame):
        return ("close", event.code, event.reason, event.payload)
    return _describe_violation(event)


_CODES_OF_ERROR: dict[type[WebSocketError], tuple[int, ...]] = {
    ProtocolViolationError: (1002, 1007),
    MessageTooBigError: (1009,),
}


def _describe_violation(violation: Violation) -> Told:
    if violation.code not in _CODES_OF_ERROR.get(type(violation.error), ()):
        raise Finding(f"violation {violation.code} with {violation.error!r}")
    return ("violation", violation.code, violation.error.message)


# The opening handshake's answer.


class _AnsweringTransport:
    """A transport that takes the request and then gives the answer in pieces, and the end of the stream."""

    has_unsent = is_torn = False
    # There is no socket to wait for.
    has_buffered = True
    looks_cheaply = False
    most_bytes = MANY_BYTES
    unsent_bytes = 0

    def __init__(self, answer: bytes, split: Callable[[bytes], Iterable[bytes]]) -> None:
        self._answer = answer
        self._split = split
        self._request = b""
        self._pieces: Iterator[bytes] | None = None

    def keep(self, kept: deque[bytes], size: int) -> bool:
        data = self.receive(size)
        if data is not None:
            kept.append(data)
        return data is not None

    def receive(self, size: int) -> bytes | None:
        if self._pieces is None:
            assert b"Sec-WebSocket-Key: " + _KEY + b"\r\n" in self._request
            self._pieces = iter(self._split(self._answer.replace(ACCEPT_MARK, _ACCEPT)))
        # An empty piece would be the end of the stream.
        return next((piece for piece in self._pieces if piece), b"")

    def receive_into(self, room: memoryview) -> memoryview | None:
        """See Transport; a handshake has no use for it."""
        raise NotImplementedError

    def unread(self) -> bytes:
        return b"".join(self._pieces or ())

    def send(self, data: bytes | memoryview) -> int:
        self._request += bytes(data)
        return len(data)

    def flush(self) -> bool:
        return True

    def end_output(self) -> None:
        pass

    def fileno(self) -> int:
        return -1

    def abort(self) -> None:
        pass

    def let_go_in_child(self) -> None:
        """Do nothing: there is no descriptor."""

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class _Answered:
    """What became of a handshake."""

    outcome: str
    numbers: tuple[int, ...]
    headers: tuple[tuple[str, str], ...]
    rest: bytes


_TARGET_URI = parse_uri("ws://example.org/chat")
_PROTOCOLS = ("chat", "superchat")


def check_handshake(data: bytes) -> None:
    """Let the handshake read an answer."""
    expected = _shake_hands(data, lambda answer: (answer,))
    _compare("the handshake byte by byte", expected, _shake_hands(data, _bytes_of))
    _compare("the handshake in pieces", expected, _shake_hands(data, _pieces))


# One for all inputs: each costs two descriptors.
_wakers: list[Waker] = []


def _waker() -> Waker:
    if not _wakers:
        _wakers.append(Waker())
    return _wakers[0]


def release() -> None:
    """Give back the descriptors that the handshake's target keeps between inputs."""
    while _wakers:
        _wakers.pop().close()


def _shake_hands(data: bytes, split: Callable[[bytes], Iterable[bytes]]) -> _Answered:
    transport = _AnsweringTransport(data, split)
    numbers: tuple[int, ...] = ()
    waiter = Waiter(_waker(), lambda: False, Deadline(None))
    try:
        cookies, authentication = Cookies(None, _TARGET_URI), Authentication(SERVER, None)
        request = OpeningRequest(_TARGET_URI, (), _PROTOCOLS, cookies, authentication)
        # The same key each time: an answer may show what answers it, or a part of that, in its body.
        with mock.patch.object(library_handshake, "_create_sec_websocket_key", _KEY.decode):
            result = open_websocket(transport, waiter, request)
    except HttpStatusError as exc:
        outcome, numbers = type(exc).__name__, (exc.hresult, exc.status_code)
        headers, rest = exc.headers, exc.body
    except (HandshakeError, ConnectionLostError) as exc:
        return _Answered(type(exc).__name__, (exc.hresult,), (), b"")
    else:
        outcome = f"connected {result.subprotocol}"
        headers, rest = result.headers, result.remainder + transport.unread()
    return _Answered(outcome, numbers, tuple(headers.items()), rest)


# DataReader.


class _PiecesSource(MemorySource):
    """Bytes that arrive in pieces: of each, peek shows what is left of it."""

    __slots__ = ("_ends",)

    def __init__(self, content: bytes, pieces: Iterable[bytes]) -> None:
        super().__init__(memoryview(content))
        self._ends: list[int] = []
        end = 0
        for piece in pieces:
            end += len(piece)
            self._ends.append(end)

    def peek(self, count: int) -> memoryview:
        end = next((end for end in self._ends if end > self.position), self.position)
        return super().peek(min(count, end - self.position))


_READS: tuple[Callable[[DataReader, int], object], ...] = (
    lambda reader, number: reader.read_byte(),
    lambda reader, number: reader.read_boolean(),
    lambda reader, number: reader.read_int16(),
    lambda reader, number: reader.read_uint16(),
    lambda reader, number: reader.read_int32(),
    lambda reader, number: reader.read_uint32(),
    lambda reader, number: reader.read_int64(),
    lambda reader, number: reader.read_uint64(),
    # repr, because no NaN is equal to itself.
    lambda reader, number: repr(reader.read_single()),
    lambda reader, number: repr(reader.read_double()),
    lambda reader, number: reader.read_guid(),
    lambda reader, number: reader.read_date_time(),
    lambda reader, number: reader.read_time_span(),
    lambda reader, number: reader.read_bytes(number),
    lambda reader, number: _fill(reader, number),
    lambda reader, number: bytes(reader.read_buffer(number)),
    lambda reader, number: reader.read_string(number),
    lambda reader, number: reader.read_string(reader.unconsumed_buffer_length),
    lambda reader, number: setattr(reader, "byte_order", tuple(ByteOrder)[number % 2]),
    lambda reader, number: setattr(reader, "unicode_encoding", tuple(UnicodeEncoding)[number % 3]),
    lambda reader, number: bytes(reader.detach_buffer()) if number == 7 else None,
)


def _fill(reader: DataReader, number: int) -> bytes:
    target = bytearray(number)
    reader.read_bytes(target)
    return bytes(target)


def check_reader(data: bytes) -> None:
    """Let DataReaders take values out of the same bytes.

    The first byte is the number of steps, each of which is two bytes: which operation, and a number for it. The rest
    is what is read.
    """
    if not data:
        return
    count = data[0] % 32
    steps = [(data[place], data[place + 1]) for place in range(1, min(2 * count, len(data) - 2) + 1, 2)]
    content = data[1 + 2 * len(steps) :]
    loads = [(step, number) for step, number in steps if step % 24 >= len(_READS)]
    expected = _run(_over_source(MemorySource(memoryview(content))), steps)
    _compare("DataReader byte by byte", expected, _run(_over_pieces(content, _bytes_of(content)), steps))
    _compare("DataReader in pieces", expected, _run(_over_pieces(content, _pieces(content)), steps))
    reads = [step for step in steps if step not in loads]
    expected = _run(DataReader.from_buffer(content), reads)
    loaded = _over_pieces(content, _pieces(content))
    loaded.load(len(content))
    _compare("DataReader with all loaded", expected, _run(loaded, reads))
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return
    over_text = MessageReader(None, text, len(content))
    _compare("DataReader over a text", expected, _run(over_text, reads))


def _over_source(source: MemorySource) -> DataReader:
    return DataReader(InputStream(source))


def _over_pieces(content: bytes, pieces: Iterable[bytes]) -> DataReader:
    return _over_source(_PiecesSource(content, pieces))


def _run(reader: DataReader, steps: list[tuple[int, int]]) -> list[Told]:
    told: list[Told] = []
    closing: AbstractContextManager[DataReader] = reader
    with closing:
        for step, number in steps:
            before = reader.unconsumed_buffer_length
            operation = step % 24
            try:
                value = _READS[operation](reader, number) if operation < len(_READS) else reader.load(number)
            except (OutOfBoundsError, NoUnicodeTranslationError, InvalidArgumentError) as exc:
                if reader.unconsumed_buffer_length != before:
                    raise Finding(f"{exc!r} of step {operation} took bytes") from exc
                value = f"{type(exc).__name__} {exc.hresult}"
            told.append((operation, value, reader.unconsumed_buffer_length))
    return told


TARGETS: dict[str, Target] = {
    "frames": check_frames,
    "deflate": check_deflate,
    "handshake": check_handshake,
    "reader": check_reader,
}
