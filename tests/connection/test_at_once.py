"""AtOnce: a small frame goes by one call of the compiled part, whole, or else by Outbox.send()."""

import contextlib
import errno
import os
import select
import socket
import struct
import sys
import sysconfig
import threading
import types

import pytest
from support import LIMIT, wait
from support.calls import Call
from support.doubles import CallCount
from support.fakes import ScriptedTransport
from support.outbox_line import BINARY, TEXT, FinishedOutbox, Line, TlsLine, parse_all_whole
from support.wire import naive_mask, parse_all

import syncws
from syncws._connection.sending.outbox import Outbox
from syncws._connection.sending.posted import Posted
from syncws._connection.short_way import short_way
from syncws._net.meter import BandwidthMeter
from syncws._net.transport import SocketTransport, direct_way
from syncws._wire import mask_keys
from syncws._wire.accelerated import speedups
from syncws._wire.frames import CLOSE, PONG, encode_frame
from syncws.enums import SocketMessageType
from syncws.errors import ConnectionLostError, ObjectClosedError, OperationCanceledError, OperationTimedOutError
from syncws.hresult import HResult

# As _wire/c/senders.c has it: elsewhere all goes by Outbox.send().
SENDS_AT_ONCE = syncws.accelerated and os.name == "posix" and not sysconfig.get_config_var("Py_GIL_DISABLED")
pytestmark = pytest.mark.skipif(not SENDS_AT_ONCE, reason="only the compiled part sends at once, where there is a GIL")

KEY = b"\x01\x80\xff\x7f"

# The most bytes of a payload, in the open and over TLS.
MOST = 131072
MOST_OVER_TLS = 65536


@pytest.fixture(params=["ws", "wss"])
def line(request, server_tls, client_tls):
    if request.param == "wss" and not hasattr(speedups, "TlsEngine"):
        pytest.skip("TLS goes by Python's ssl")
    made = Line() if request.param == "ws" else TlsLine(server_tls, client_tls)
    yield made
    made.close()


@pytest.fixture
def stock():
    """The stock of mask keys, empty. Keys that were there are not used again."""
    mask_keys._stock.clear()
    return mask_keys._stock


@pytest.mark.parametrize("size", [0, 1, 7, 8, 125, 126, 127, 4096, 16383, 16384])
def test_a_small_frame_goes_whole_masked_and_counted(line, size, stock):
    stock.append(KEY)
    payload = bytes(index & 0xFF for index in range(size))
    assert line.send(payload) is True
    header = bytes((BINARY, 0x80 | size)) if size < 126 else bytes((BINARY, 0xFE)) + struct.pack(">H", size)
    expected = header + KEY + naive_mask(payload, KEY)
    with line.far.makefile("rb") as arrived:
        assert arrived.read(len(expected)) == expected
    assert (line.outbox.tally.whole, line.transport.outbound.total_bytes - line.sent_before) == (
        1,
        # A record of TLS has 16 KiB at most.
        len(expected) + line.record_bytes * -(-len(expected) // 16384),
    )
    assert not line.outbox.has_posted


class Sink:
    """What an output stream writes to, as far as sending at once is concerned; notes what enters its methods."""

    def __init__(self, outbox, message_type):
        self.entered = []
        self._outbox = outbox
        self._control = types.SimpleNamespace(_message_type=message_type)

    @short_way("_outbox", SocketMessageType.UTF8)
    def _write(self, data, progress):
        self.entered.append((data, progress))
        return -1

    @short_way("_outbox", SocketMessageType.UTF8)
    def _write_text(self, data):
        self.entered.append(data)
        return -1


@pytest.mark.parametrize(("message_type", "opcode"), [(SocketMessageType.UTF8, 1), (SocketMessageType.BINARY, 2)])
def test_a_stream_s_text_goes_as_what_the_control_says(line, message_type, opcode):
    sink = Sink(line.outbox, message_type)
    assert sink._write_text(b"hello") == 5
    assert (line.read(1), parse_all_whole(line.far_data)[0].opcode) == ([b"hello"], opcode)
    assert not sink.entered


def test_a_stream_s_bytes_go_where_they_need_not_be_text(line):
    sink = Sink(line.outbox, SocketMessageType.BINARY)
    assert sink._write(b"\xff", None) == 1
    assert (line.read(1), parse_all_whole(line.far_data)[0].opcode) == ([b"\xff"], 2)
    assert not sink.entered
    sink = Sink(line.outbox, SocketMessageType.UTF8)
    assert sink._write(b"\xff", None) == -1
    assert sink.entered == [(b"\xff", None)]


def test_a_time_limit_is_not_sent(line):
    """What is received has one, and the compiled part takes that by its name."""
    sink = Sink(line.outbox, SocketMessageType.BINARY)
    with pytest.raises(TypeError, match="timeout"):
        sink._write_text(timeout=b"hello")
    with pytest.raises(TypeError, match="timeout"):
        sink._write(timeout=b"hello")
    assert not line.outbox.tally.whole


def test_what_a_stream_writes_otherwise_enters_the_method(line):
    sink = Sink(line.outbox, SocketMessageType.BINARY)
    view = memoryview(b"view")
    sink._write(b"told", print)
    sink._write(view, None)
    sink._write_text(bytes(MOST + 1))
    del sink._control
    sink._write_text(b"bare")
    sink._outbox = None
    sink._write_text(b"without")
    assert sink.entered == [(b"told", print), (view, None), bytes(MOST + 1), b"bare", b"without"]
    assert line.transport.outbound.total_bytes == line.sent_before
    sink._outbox, sink._control = line.outbox, None
    with pytest.raises(AttributeError, match="_message_type"):
        sink._write_text(b"without a type")


def test_any_buffer_may_be_sent(line):
    assert line.send(memoryview(b"0123456789")[2:8], TEXT)
    assert line.read(1) == [b"234567"]


def most_of(line):
    return MOST_OVER_TLS if isinstance(line, TlsLine) else MOST


def test_what_is_larger_is_left_to_send(line):
    assert line.send(bytes(most_of(line) + 1)) is False
    assert line.transport.outbound.total_bytes == line.sent_before


@pytest.mark.parametrize("size", [16384, 16385, 65535, 65536, MOST - 1, MOST])
def test_a_large_frame_goes_whole_too(line, size):
    payload = bytes(index * 7 & 0xFF for index in range(min(size, most_of(line))))
    end = line.reading(3)
    for _ in range(3):
        assert line.send(payload) is True
    assert end() == [payload] * 3
    assert line.outbox.tally.whole == 3
    assert line.outbox.is_idle


# How many such characters are certain to fit, by the longest that a str of their kind may have.
LONGEST = {"x": 1, "é": 2, "ÿ": 2, "€": 3, "😀": 4}


@pytest.mark.parametrize("character", LONGEST)
def test_a_text_goes_whole_whose_utf_8_is_certain_to_fit(line, character):
    text = character * (most_of(line) // LONGEST[character])
    size = sys.getsizeof(text)
    end = line.reading(1)
    assert line.outbox.send_at_once(text) is True
    assert end() == [text.encode()]
    # A long one is not kept a second time, as UTF-8.
    assert sys.getsizeof(text) == size or len(text) <= 4096
    assert line.outbox.send_at_once(text + character) is False


def test_nothing_goes_past_what_was_posted(line):
    line.outbox.has_posted = True
    assert line.send() is False


def test_nothing_goes_while_another_thread_is_in_the_midst_of_a_frame(line):
    holding, done = threading.Event(), threading.Event()

    def hold(plain):
        holding.set()
        wait(done)
        return encode_frame(BINARY & 0xF, plain)

    sender = Call(lambda: line.outbox.send(b"first", None, None, hold))
    wait(holding)
    assert line.send(b"second") is False
    done.set()
    assert sender.end() is None
    assert line.send(b"third") is True
    assert line.read(2) == [b"first", b"third"]


def test_a_sender_that_has_the_role_is_seen_before_it_looks_what_must_go_first(line):
    """Else a part of a frame could be left behind its look, and its own frame go into the midst of that."""
    seen = []

    class Looking(FinishedOutbox):
        __slots__ = ()

        @property
        def has_posted(self):
            seen.append(Outbox.send_at_once(self, b"early"))
            return Outbox.has_posted.__get__(self)

        @has_posted.setter
        def has_posted(self, value):
            Outbox.has_posted.__set__(self, value)

    outbox = Looking(line.transport, line.leftovers)
    outbox.parts, outbox.during = [], lambda: None
    outbox.send(encode_frame(2, b"whole"))
    # The last look is after it has given the role back.
    assert seen == [False, True]
    outbox.shut(ObjectClosedError("over"))


def test_no_data_passes_a_close_frame_that_is_just_being_posted(line):
    """Another thread may find the frame, and push it out, before the one that posts it has done so."""

    class Found(Posted):
        __slots__ = ()

        @property
        def close_frame(self):
            return Posted.close_frame.__get__(self)

        @close_frame.setter
        def close_frame(self, value):
            Posted.close_frame.__set__(self, value)
            if value is not None:
                line.outbox.flush_without_waiting()
                sent.append(line.send())

    sent = []
    line.outbox._posted = Found(line.outbox.tally)
    line.outbox.post_close(encode_frame(CLOSE, b""))
    assert sent == [False]
    assert line.read(1) == [b""]


def test_nothing_goes_after_shut_or_after_the_end(line):
    line.outbox.shut(ConnectionLostError("over"))
    assert line.send() is False
    line.outbox.retire(line.transport.close)
    assert line.send() is False
    line.outbox.has_posted = False
    assert line.send() is False


def test_an_error_of_the_system_is_told_as_send_tells_it(line):
    line.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.far.close()
    wait_for_reset(line.transport)
    with pytest.raises(ConnectionLostError) as caught:
        line.send()
    assert caught.value.hresult == HResult.WININET_E_CONNECTION_RESET
    assert line.outbox.is_broken
    with pytest.raises(ConnectionLostError) as later:
        line.outbox.send(b"frame")
    for error in (caught.value, later.value):
        assert isinstance(error.__cause__, ConnectionLostError)
        assert isinstance(error.__cause__.__cause__, ConnectionResetError)


def wait_for_reset(transport):
    assert select.select([transport.fileno()], [], [], LIMIT)[0]


def test_where_the_system_takes_nothing_it_is_left_to_send(line):
    line.fill()
    while line.outbox.flush_without_waiting():
        # The system has made room meanwhile.
        line.fill()
    assert line.send() is False


def test_the_rest_of_a_part_goes_as_soon_as_the_peer_reads(line):
    ends = []
    line.outbox.during = lambda: ends.append(line.reading(line.outbox.tally.whole))
    count = line.send_to_a_part()
    assert ends[0]() == [bytes(3000)] * (count + 1)
    assert line.outbox.is_idle
    assert line.outbox.tally.whole == count + 1


def test_a_part_whose_time_runs_out_is_queued_and_goes_before_the_next_frame(line):
    count = line.fill()
    assert line.leftovers.count
    # Over TLS the frame was taken whole, and the rest of its record waits.
    assert line.outbox.pending_bytes == (line.outbox.parts[0] or line.transport.unsent_bytes) > 0
    end = line.reading(count + 2)
    line.outbox.send(encode_frame(2, b"next"))
    payloads = end()
    assert payloads[:-1] == [bytes(3000)] * (count + 1)
    assert payloads[-1] == b"next"


def test_an_interruption_of_its_wait_leaves_the_rest_to_others(line):
    def interrupt():
        raise KeyboardInterrupt

    line.outbox.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        line.send_for_ever()
    assert line.leftovers.count
    assert line.outbox.given_up is None
    count = line.outbox.tally.whole
    end = line.reading(count + 1)
    line.outbox.send(encode_frame(2, b"next"))
    assert end()[-1] == b"next"


@pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError])
def test_ctrl_c_while_others_are_told_of_the_rest_is_not_lost(line, raised):
    """What else comes of telling them is less than what the sender is told."""
    told = line.outbox._on_leftover
    interrupted = []

    def interrupt():
        interrupted.append(True)
        raise raised

    def time_out():
        # The last thing that its wait does is to tell them as well; this is the time after.
        line.outbox._on_leftover = interrupt
        raise OperationTimedOutError("slow")

    line.outbox.during = time_out
    # Nobody is told where the system has made room, and taken the rest, before that.
    while not interrupted:
        with pytest.raises((KeyboardInterrupt, OperationTimedOutError)) as caught:
            line.send_for_ever()
    assert caught.type is (KeyboardInterrupt if raised is KeyboardInterrupt else OperationTimedOutError)
    line.outbox._on_leftover = told
    assert not line.outbox.is_idle


def test_an_interruption_while_it_is_counted_leaves_the_rest_to_others(line, monkeypatch):
    """A sample of the meter's that is full is for Python, where a signal handler may come."""

    def interrupt(meter, count, time):
        if line.outbox.has_posted:
            raise KeyboardInterrupt

    line.transport.outbound._sample_end = 0.0
    with monkeypatch.context() as patches:
        patches.setattr(BandwidthMeter, "_add_rarely", interrupt)
        # Nothing is left where the system has made room, and taken the rest, before that.
        while line.outbox.is_idle:
            with pytest.raises(KeyboardInterrupt):
                line.send_for_ever()
    assert line.leftovers.count
    count = line.outbox.tally.whole
    end = line.reading(count + 1)
    line.outbox.send(encode_frame(2, b"next"))
    assert end()[-1] == b"next"


def test_an_error_of_the_system_takes_nothing_from_under_another_sender():
    """Its error is dealt with after the one step, and by then another may be in the midst of a frame."""
    near, far = socket.socketpair()
    near.setblocking(False)

    class Meanwhile(SocketTransport):
        sends = 0

        def send(self, data):
            self.sends += 1
            sent = super().send(data[:10])
            if self.sends == 2:
                outbox._break_off(OSError(errno.ENOBUFS, "no buffers"))
            return sent

    transport = Meanwhile(near)
    outbox = Outbox(transport, CallCount())
    with far, pytest.raises(ConnectionLostError):
        outbox.send(encode_frame(2, bytes(1000)))
    outbox.retire(transport.close)


def test_the_end_of_sending_ends_its_wait(line):
    waiting = threading.Event()
    line.outbox.during = waiting.set

    line.outbox.send_timeout = None
    sender = Call(line.send_for_ever)
    wait(waiting)
    line.outbox.shut(ObjectClosedError("over"))
    # The latter when it comes between two frames.
    assert isinstance(sender.end(), OperationCanceledError | ObjectClosedError)


def test_a_shut_before_its_wait_is_no_success(line):
    def shut():
        line.outbox.shut(ObjectClosedError("over"))
        line.outbox.retire(line.transport.close)

    line.outbox.during = shut
    with pytest.raises(OperationCanceledError):
        line.send_for_ever()


def test_frames_of_many_threads_stay_whole(line):
    """Small ones at once, large ones by send(), pongs between them."""
    count, threads = 300, 4

    def send(number):
        for index in range(count):
            payload = bytes([number]) + index.to_bytes(2, "big") + bytes(index % 5 * 900)
            if not line.send(payload):
                line.outbox.send(encode_frame(2, payload))
            if not index % 50:
                line.outbox.post_pong(encode_frame(PONG, b"x"))

    senders = [Call(lambda number=number: send(number)) for number in range(threads)]
    received = {number: [] for number in range(threads)}
    total = 0
    while total < count * threads:
        frames = [payload for payload in line.read(total + 1) if payload != b"x"]
        for payload in frames[total:]:
            received[payload[0]].append(int.from_bytes(payload[1:3], "big"))
        total = len(frames)
    assert [sender.end() for sender in senders] == [None] * threads
    assert received == {number: list(range(count)) for number in range(threads)}


def test_a_socket_that_was_closed_behind_our_back_is_not_sent_on(line):
    line.bottom._socket.close()
    assert line.send() is False


def test_only_a_plain_socket_is_sent_on_directly():
    class Counting(socket.socket):
        def send(self, data):
            return super().send(data)

    class Noting(socket.socket):
        pass

    with contextlib.ExitStack() as stack:
        plain, own = stack.enter_context(socket.socket()), stack.enter_context(Counting())
        noting = stack.enter_context(Noting())
        noting.send = noting.send
        transport = SocketTransport(plain)
        assert direct_way(transport) == (plain, transport.outbound)
        for other in (own, noting):
            assert direct_way(SocketTransport(other)) == (None, None)
        scripted = ScriptedTransport()
        assert direct_way(scripted) == (None, None)
        scripted.release()


@pytest.mark.parametrize(
    ("content", "first", "sent"),
    [
        (b"ab", 0, (BINARY, b"ab")),
        ("ab", 0, (TEXT, b"ab")),
        ("é😀", 0, (TEXT, "é😀".encode())),
        (b"ab", TEXT, (TEXT, b"ab")),
        (memoryview(b"abc")[1:], BINARY, (BINARY, b"bc")),
    ],
)
def test_what_a_message_is_of_tells_its_type_unless_it_is_said(line, content, first, sent):
    assert line.outbox.send_at_once(content, first)
    line.read(1)
    assert (line.far_data[0], parse_all(bytes(line.far_data))[0].data) == sent


@pytest.mark.parametrize(
    "content",
    [
        "x" * (MOST + 1),
        "é" * (MOST // 2 + 1),
        "\ud800",
        "\ud800" * 5000,
        bytes(MOST + 1),
        memoryview(b"abc"),
        bytearray(b"abc"),
        type("Text", (str,), {})("a"),
        7,
    ],
    ids=["long", "long and not ASCII", "surrogate", "surrogates", "many", "view", "bytearray", "subclass", "number"],
)
def test_whatever_else_is_left_to_send(line, content):
    assert line.outbox.send_at_once(content) is False
    assert line.outbox.tally.whole == 0


def test_no_two_frames_have_one_key_also_when_the_stock_runs_out(line):
    keys = set()
    for _ in range(3000):
        line.far_data.clear()
        assert line.send(b"")
        line.read(1)
        keys.add(bytes(line.far_data[2:6]))
    assert len(keys) >= 2998


def test_a_forked_child_uses_no_key_of_its_parent(line, stock):
    stock.append(KEY)
    mask_keys._begin_anew()
    assert line.send(b"") is True
    line.read(1)
    assert bytes(line.far_data[2:6]) != KEY
    assert stock == [KEY]


@pytest.mark.usefixtures("stock")
def test_nothing_goes_past_what_others_do_while_keys_are_made(line, monkeypatch):
    """The system gives them, and meanwhile other threads run."""

    def new_key():
        line.outbox.has_posted = True
        return KEY

    monkeypatch.setattr(mask_keys, "new_key", new_key)
    assert line.send() is False
    line.outbox.has_posted = False


def test_wrong_arguments_are_refused(line):
    send = line.outbox.send_at_once
    for arguments in ((), (b"", BINARY, 3)):
        with pytest.raises(TypeError):
            send(*arguments)
    with pytest.raises(ValueError, match="256"):
        send(b"", 256)
