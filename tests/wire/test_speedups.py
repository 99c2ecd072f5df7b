"""The compiled part alone: wrong arguments, memory that runs out, views that stay, references that must not leak."""

import contextlib
import gc
import sys
import tracemalloc
from collections import deque

import pytest
from support.wire import frame, pattern

from syncws._connection.receiving.at_hand import AtHand
from syncws._connection.short_way import short_way
from syncws._net.meter import BandwidthMeter
from syncws._streams.data_writer import DataWriter
from syncws._streams.memory_stream import InMemoryRandomAccessStream
from syncws._streams.output_stream import LatestStream, OutputStream
from syncws._waiting import deadline
from syncws._wire import accelerated
from syncws._wire.frames import BINARY, TEXT
from syncws._wire.incoming import Message
from syncws.errors import OutOfBoundsError, WebSocketError
from syncws.events import Event

speedups = accelerated.speedups
pytestmark = pytest.mark.skipif(speedups is None, reason="in plain Python")


class Nowhere:
    """Takes what a stream is given."""

    def _write(self, data, progress):
        return len(data)

    _write_text = len


class Here:
    """Has messages at hand, and a stream."""

    _message_received = Event("message_received")

    def __init__(self):
        events = []
        speedups.scan(frame(TEXT, b"text") + frame(BINARY, b"bytes"), 0, 125, Message, events)
        self._at_hand = AtHand(deque([*events, "no message"]))
        self._latest_stream = LatestStream()

    @short_way("_at_hand")
    def receive(self):
        return None

    def _close_output(self):
        return False

    @property
    @short_way("_latest_stream")
    def stream(self):
        return None


KEY = b"abcd"
STREAM = OutputStream(Nowhere())
LONG = ("Za\u017c\u00f3\u0142\u0107 \u65e5\u672c\u8a9e " * 5000).encode()


class Odd:
    """Has no buffer, is no number and no class."""


class Number:
    """A number whose conversion runs code of its own."""

    def __init__(self, value, then=lambda: None):
        self._value, self._then = value, then

    def __index__(self):
        self._then()
        return self._value


# Arguments.

CALLS = [
    ("masked_frame", ()),
    ("masked_frame", (0x81, b"x")),
    ("masked_frame", (256, b"x", KEY)),
    ("masked_frame", (-1, b"x", KEY)),
    ("masked_frame", (1 << 200, b"x", KEY)),
    ("masked_frame", ("1", b"x", KEY)),
    ("masked_frame", (1, "x", KEY)),
    ("masked_frame", (1, b"x", b"abc")),
    ("masked_frame", (1, b"x", None)),
    ("masked_frame", (1, memoryview(b"abcdef")[::2], KEY)),
    ("AsciiText", ()),
    ("AsciiText", (b"x",)),
    ("decode_utf8", ()),
    ("decode_utf8", ("x", True)),
    ("decode_utf8", (Odd(), True)),
    ("decode_utf8", (memoryview(b"abcdef")[::2], True)),
    ("scan", ()),
    ("scan", (bytearray(b"x"), 0, 125, Message, [])),
    ("scan", (b"x", 0, 125, Odd(), [])),
    ("scan", (b"x", 0, 125, Odd, [])),
    ("scan", (b"x", 0, 125, Message, ())),
    ("scan", (b"x", -1, 125, Message, [])),
    ("scan", (b"x", 2, 125, Message, [])),
    ("scan", (b"x", 1 << 100, 125, Message, [])),
    ("scan", (b"x", 0, 1 << 100, Message, [])),
    ("scan", (b"x", 0, "1", Message, [])),
    ("use_reader", ()),
    ("use_reader", (Odd, 0, 0, 0, repr)),
    ("use_reader", (0, 0, 0, 0, repr)),
]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_wrong_arguments_are_refused(name, arguments):
    with pytest.raises((TypeError, ValueError, OverflowError, BufferError)):
        getattr(speedups, name)(*arguments)


@pytest.mark.parametrize("arguments", [(), ("x",), (Odd(),), (b"x", -1), (b"x", "1"), (b"x", 1, 2)])
def test_wrong_pieces_are_refused(arguments):
    assembler = speedups.BinaryAssembler()
    assembler.add(b"before")
    with pytest.raises((TypeError, ValueError)):
        assembler.add(*arguments)
    assert assembler.finish() in (b"before", b"beforex")


@pytest.mark.parametrize("limit", [-5, 0])
def test_a_limit_below_every_length_finds_nothing_but_what_is_empty(limit):
    events = []
    assert speedups.scan(frame(TEXT, b"x"), 0, limit, Message, events) == 0
    assert not events


@pytest.mark.parametrize("cut", range(1, 140))
def test_no_byte_behind_the_end_is_read(cut):
    # What lies behind the bytes object's own end is a zero; a frame that is not all there is left alone.
    data = frame(BINARY, b"y" * 130)
    events = []
    position = speedups.scan(data[:cut], 0, 65535, Message, events)
    assert (position, len(events)) == ((len(data), 1) if cut >= len(data) else (0, 0))


# The gathering.


def test_a_large_frame_is_received_without_a_copy():
    assembler = speedups.BinaryAssembler()
    content = pattern(1 << 20)
    room = assembler.add(content[:4096], len(content) - 4096)
    at = 4096
    while room is not None:
        count = min(len(room), 100_000)
        room[:count] = content[at : at + count]
        at += count
        part, room = room[:count], None
        room = assembler.add(part, len(content) - at)
        with pytest.raises(ValueError, match="released"):
            len(part)
    assert at == len(content)
    assert assembler.finish() == content
    assert assembler.finish() == b""


def test_room_grows_with_what_has_come():
    assembler = speedups.BinaryAssembler()
    assert assembler.add(b"x" * 1023, 1 << 29) is None
    assert len(assembler.add(b"x", 1 << 29)) == 262144 - 1024
    assert len(assembler.add(b"x" * 261_000, 1 << 29)) == 3 * (261_000 + 1024)


@pytest.mark.parametrize(
    ("there", "remaining"), [(5000, 0), (5000, 16383), (5000, 65535), (1023, 1 << 20), (5000, 1 << 63)]
)
def test_there_is_room_only_where_it_is_worth_it(there, remaining):
    assert speedups.BinaryAssembler().add(b"x" * there, remaining) is None


def test_room_that_is_there_already_is_used_when_it_is_enough():
    assembler = speedups.BinaryAssembler()
    assembler.add(b"x" * 5000, 1 << 20)
    assert len(assembler.add(b"y", 20_000)) == 20_000
    assert assembler.add(b"y", 16_383) is None


def test_who_keeps_a_view_changes_no_bytes_that_were_given_out():
    assembler = speedups.BinaryAssembler()
    room = assembler.add(b"x" * 4096, 65536)
    kept = room[:]
    room[:65536] = b"y" * 65536
    assembler.add(room, 0)
    given = assembler.finish()
    kept[:] = b"z" * len(kept)
    assert given == b"x" * 4096 + b"y" * 65536


def test_a_view_that_stays_does_not_keep_more_from_being_added():
    assembler = speedups.BinaryAssembler()
    kept = [assembler.add(b"x" * 4096, 1 << 20)]
    for _ in range(8):
        kept.append(assembler.add(b"y" * 300_000, 1 << 20))
    for view in kept:
        if view is not None:
            view[:] = b"?" * len(view)
    content = assembler.finish()
    assert content[:4096] == b"x" * 4096
    assert len(content) == 4096 + 8 * 300_000
    del assembler
    gc.collect()
    assert kept[0][0] == ord("?")


def test_a_view_of_the_wrong_place_is_copied():
    assembler = speedups.BinaryAssembler()
    room = assembler.add(b"x" * 4096, 65536)
    room[:4] = b"abcd"
    assembler.add(room[2:4], 0)
    assert assembler.finish() == b"x" * 4096 + b"cd"
    other = speedups.BinaryAssembler()
    assert other.add(room[:4]) is None
    assert other.finish() == b"cdcd"


def test_a_number_that_runs_code_of_its_own_does_no_harm():
    assembler = speedups.BinaryAssembler()
    assembler.add(b"x" * 5000)
    room = assembler.add(b"y" * 5000, Number(1 << 20, assembler.finish))
    assert room is not None
    assert assembler.finish() == b"y" * 5000


def test_memory_that_a_view_looks_into_may_be_looked_at_after_its_object_is_gone():
    view = memoryview(speedups.BinaryAssembler())
    gc.collect()
    assert view.nbytes == 0
    assert view.readonly


# Messages and readers.


def message_of(payload, opcode=BINARY):
    events = []
    speedups.scan(frame(opcode, payload), 0, 65535, Message, events)
    return events[0]


def test_a_message_that_was_not_filled_in_has_no_reader():
    with pytest.raises(AttributeError):
        object.__new__(Message).get_data_reader()
    with pytest.raises(TypeError):
        message_of(b"x").get_data_reader(1)
    with pytest.raises(TypeError):
        message_of(b"x").get_data_reader(name=1)


@pytest.mark.parametrize("value", [-1, 3, 100, 1 << 100])
@pytest.mark.parametrize("field", ["_position", "_unread"])
def test_fields_that_somebody_has_set_lead_beyond_no_bytes(field, value):
    reader = message_of(b"abc").get_data_reader()
    setattr(reader, field, value)
    given = b""
    with contextlib.suppress(OutOfBoundsError, OverflowError):
        given = reader.read_bytes(3)
    assert given in (b"abc", b"")


@pytest.mark.parametrize("field", ["_data", "_text", "_unread", "_position", "_encoding", "_stream", "_is_closed"])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("name", ["read_string", "read_bytes", "__exit__"])
def test_fields_that_somebody_has_deleted_are_an_error_at_most(field, opcode, name):
    reader = message_of(b"abc", opcode).get_data_reader()
    delattr(reader, field)
    arguments = (None, None, None) if name == "__exit__" else (3,)
    with contextlib.suppress(AttributeError, TypeError, WebSocketError):
        getattr(reader, name)(*arguments)


def test_what_the_end_of_a_field_runs_finds_the_reader_whole():
    seen = []
    reader = message_of(b"abc").get_data_reader()

    class Last:
        def __del__(self):
            seen.append((reader._data, reader._text, reader.unconsumed_buffer_length, reader._is_closed))

    reader._text = Last()
    reader.__exit__(None, None, None)
    assert seen == [(None, None, 0, True)]


@pytest.mark.parametrize(("name", "arguments"), [("__exit__", (1, 2)), ("read_string", ()), ("read_bytes", (1, 2))])
def test_wrong_numbers_of_arguments_are_type_errors(name, arguments):
    with pytest.raises(TypeError):
        getattr(message_of(b"abc").get_data_reader(), name)(*arguments)


def test_arguments_by_name_are_type_errors():
    with pytest.raises(TypeError):
        message_of(b"abc").get_data_reader().read_string(count=1)


FIELDS_OF_A_WRITER = ["_parts", "_length", "_text", "_stream", "_turn", "_encoding", "_byte_order", "_is_closed"]


@pytest.mark.parametrize("field", FIELDS_OF_A_WRITER)
@pytest.mark.parametrize("value", [None, -1, 1 << 100, [], "gone"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("write_string", ("x",)), ("write_bytes", (b"x",)), ("detach_stream", ()), ("__exit__", (None, None, None))],
)
def test_fields_of_a_writer_that_somebody_has_set_are_an_error_at_most(field, value, name, arguments):
    writer = DataWriter(InMemoryRandomAccessStream().get_output_stream_at(0))
    if value == "gone":
        delattr(writer, field)
    else:
        setattr(writer, field, value)
    with contextlib.suppress(AttributeError, TypeError, OverflowError, IndexError, WebSocketError):
        getattr(writer, name)(*arguments)
    writer._stream = None


def test_a_writer_takes_one_stream_and_no_names():
    with pytest.raises(TypeError):
        DataWriter(None, None)
    with pytest.raises(TypeError):
        DataWriter(output_stream=None)
    for name, arguments in (("write_string", ()), ("write_bytes", (1, 2)), ("detach_stream", (1,)), ("__exit__", ())):
        with pytest.raises(TypeError):
            getattr(DataWriter(), name)(*arguments)
    with pytest.raises(TypeError):
        DataWriter().write_string(value="x")


def test_what_the_end_of_a_writers_field_runs_finds_it_whole():
    seen = []
    writer = DataWriter()

    class Last:
        def __del__(self):
            seen.append((list(writer._parts), writer._length, writer._text))

    writer._text = Last()
    writer.write_string("abc")
    writer._text = Last()
    writer._parts.clear()
    writer.__exit__(None, None, None)
    assert seen == [([b"abc"], 3, b"abc"), ([], 0, None)]


def call_without_memory(function, argument):
    """Call a function of the compiled part, whose first allocation fails."""
    testcapi = pytest.importorskip("_testcapi", reason="this Python has no _testcapi")
    testcapi.set_nomemory(0, 1)
    try:
        function(argument)
    finally:
        testcapi.remove_mem_hooks()


def test_a_part_that_there_is_no_memory_for_is_not_added():
    writer = DataWriter()
    writer.write_bytes(b"first")
    parts = writer._parts
    with pytest.raises(MemoryError):
        call_without_memory(writer.write_bytes, b"more")
    assert parts == [b"first"]
    assert writer.unstored_buffer_length == 5


def test_a_writer_in_a_cycle_is_collected():
    writer = DataWriter()
    writer._text = [writer]
    del writer
    assert gc.collect() >= 2


def test_a_meter_counts_numbers_only():
    meter = BandwidthMeter()
    for arguments in ((), (1, 2), ("x",), (None,)):
        with pytest.raises(TypeError):
            meter.add(*arguments)
    with pytest.raises(OverflowError):
        meter.add(1 << 100)
    assert meter.total_bytes == 0


@pytest.mark.parametrize("clock", [lambda: "late", lambda: 1 / 0, None])
def test_a_clock_that_fails_is_an_error(clock, monkeypatch):
    meter = BandwidthMeter()
    monkeypatch.setattr(deadline, "clock", clock)
    with pytest.raises((TypeError, ZeroDivisionError)):
        meter.add(1)
    assert meter.total_bytes == 0


def test_a_message_in_a_cycle_is_collected():
    message = object.__new__(Message)
    message._error = message
    message._payload = [message]
    before = len(gc.get_objects())
    del message
    assert gc.collect() >= 1
    assert len(gc.get_objects()) <= before


# References and memory.


def everything():
    """Use each function once, in the good and in the bad way."""
    speedups.masked_frame(0x82, b"x" * 70_000, KEY)
    speedups.mask_into(speedups.make_room(104), bytearray(b"x" * 100), KEY, b"head")
    with pytest.raises(ValueError, match="room"):
        speedups.mask_into(bytearray(103), bytearray(b"x" * 100), KEY, b"head")
    speedups.decode_utf8(LONG, True)
    speedups.decode_utf8(LONG[:-2], False)
    bytes(speedups.AsciiText("x" * 300))
    events = []
    speedups.scan(frame(TEXT, b"text") + frame(BINARY, b"x" * 300), 0, 65535, Message, events)
    for event in events:
        with event.get_data_reader() as reader:
            reader.read_bytes(2)
            reader.unconsumed_buffer_length  # noqa: B018
        with event.get_data_reader() as reader:
            if event.text is not None:
                reader.read_string(reader.unconsumed_buffer_length)
    assembler = speedups.BinaryAssembler()
    room = assembler.add(b"x" * 4096, 1 << 20)
    room[:1000] = b"y" * 1000
    assembler.add(room[:1000], 1 << 20)
    assembler.add(b"z" * 500_000, 1 << 20)
    assembler.finish()
    for _ in range(2):
        with DataWriter(STREAM) as writer:
            writer.write_string("text")
            writer.write_bytes(b"bytes")
            writer.store()
            writer.write_string(LONG[:300].decode("utf-8", "ignore"))
            with contextlib.suppress(WebSocketError):
                writer.write_string("\ud800")
            writer.detach_stream()
    here = Here()
    for _ in range(4):
        with contextlib.suppress(TypeError):
            here.receive()
    with contextlib.suppress(TypeError):
        here.receive(1, 2)
    here.stream.close()
    meter = BandwidthMeter()
    meter.add(70_000)
    for wrong in ("x", 1 << 100):
        with contextlib.suppress(TypeError, OverflowError):
            meter.add(wrong)
    for name, arguments in CALLS:
        with contextlib.suppress(TypeError, ValueError, OverflowError, BufferError):
            getattr(speedups, name)(*arguments)
    for bad in (b"\xff", LONG + b"\xff", LONG + b"\xe2"):
        with contextlib.suppress(UnicodeDecodeError):
            speedups.decode_utf8(bad, True)


def test_no_reference_is_left_over():
    watched = [
        KEY,
        STREAM,
        DataWriter,
        Message,
        type(message_of(b"x").get_data_reader()),
        speedups.BinaryAssembler,
        LONG,
        True,
        None,
        b"",
    ]
    everything()
    gc.collect()
    before = [sys.getrefcount(one) for one in watched]
    for _ in range(200):
        everything()
    gc.collect()
    after = [sys.getrefcount(one) for one in watched]
    assert [b - a for a, b in zip(before, after, strict=True) if abs(b - a) > 50] == []


def test_no_memory_is_left_over():
    everything()
    gc.collect()
    grown = []
    tracemalloc.start()
    try:
        everything()
        # The least of several: Python itself takes some now and then, for what it has run often; without a GIL more.
        while len(grown) < 3 or (len(grown) < 12 and min(grown) >= 10_000):
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(50):
                everything()
            gc.collect()
            grown.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert min(grown) < 10_000, grown
