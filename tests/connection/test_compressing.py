"""Sending with compression: one context for all senders, and what becomes of it when one of them gives up."""

import random
import sys
import threading
import zlib

import pytest
from support import LIMIT
from support.calls import Call
from support.doubles import messages_of, run_together, stuck_sender
from support.scripts import BINARY, CLOSE, FIN, PONG, TEXT, server_frame

from syncws import Deflate
from syncws._connection.sending.frame_writer import MAX_KEPT_BYTES
from syncws._wire.deflate import Deflater
from syncws._wire.extension import WHOLE, Agreement
from syncws._wire.frames import FRAGMENT_BYTES, encode_frame
from syncws.errors import (
    ConnectionLostError,
    IllegalMethodCallError,
    OperationCanceledError,
    OperationTimedOutError,
)

RSV1 = 0x40
TEXTS = [f"message {number} of many messages, more or less".encode() * 3 for number in range(20)]
# Random, so that fragments are as large as what they hold.
LARGE = random.Random(7).randbytes(5 * FRAGMENT_BYTES + 7)
# What is compressed in one turn.
ONE_TURN = 262144


@pytest.fixture
def rig(rigs):
    return rigs(agreement=WHOLE, send_timeout=5.0)


def inflated(rig):
    """Return the messages as a peer reads them: opcode, payload, and whether it came compressed."""
    engine = zlib.decompressobj(-15)
    read, is_compressed = [], False
    compressed = []
    for first, _ in rig.frames:
        if first & 0x08:
            continue
        if first & 0x0F:
            is_compressed = bool(first & RSV1)
            compressed.append(is_compressed)
        else:
            assert not first & RSV1
    for (opcode, payload), is_compressed in zip(messages_of(rig.frames), compressed, strict=True):
        plain = engine.decompress(payload + b"\x00\x00\xff\xff") if is_compressed else payload
        read.append((opcode, plain, is_compressed))
    return read


def test_messages_go_compressed_in_one_context(rig):
    for text in TEXTS:
        rig.session.send_message(TEXT, text)
    assert inflated(rig) == [(TEXT, text, True) for text in TEXTS]
    assert max(len(payload) for _, payload in rig.frames[1:]) < 40
    statistics = rig.session.compression.read_statistics()
    assert statistics.bytes_to_compress == sum(map(len, TEXTS))
    assert statistics.bytes_compressed == sum(len(payload) for _, payload in rig.frames)


def test_small_messages_and_those_that_ask_for_it_go_plain(rig):
    session = rig.session
    session.send_message(TEXT, b"x" * 63)
    session.send_message(TEXT, b"x" * 64)
    session.send_message(BINARY, b"x" * 640, False)
    session.send_message(TEXT, b"x" * 64)
    assert [is_compressed for _, _, is_compressed in inflated(rig)] == [False, True, False, True]


def test_frames_of_the_application_s_own_go_plain(rig):
    rig.session.send_fragment(TEXT, b"x" * 100, is_final=False)
    rig.session.send_fragment(TEXT, b"y" * 100, is_final=True)
    assert inflated(rig) == [(TEXT, b"x" * 100 + b"y" * 100, False)]


def test_without_an_agreement_nothing_is_compressed(rigs):
    rig = rigs(compression=Deflate())
    rig.session.send_message(TEXT, b"x" * 100)
    assert rig.frames == [(FIN | TEXT, b"x" * 100)]
    assert rig.session.compression is None


def test_a_message_that_is_compressed_in_one_turn_is_one_frame(rig):
    rig.session.send_message(BINARY, bytes(ONE_TURN))
    rig.session.send_message(BINARY, LARGE[:ONE_TURN])
    assert len(rig.frames) == 2
    assert inflated(rig) == [(BINARY, bytes(ONE_TURN), True), (BINARY, LARGE[:ONE_TURN], True)]


def test_a_larger_one_goes_in_fragments(rig):
    rig.session.send_message(BINARY, LARGE)
    assert [first for first, _ in rig.frames] == [RSV1 | BINARY, FIN]
    assert inflated(rig) == [(BINARY, LARGE, True)]


def test_of_what_repeats_itself_no_empty_frames_are_made(rig):
    rig.session.send_message(BINARY, bytes(40 << 20))
    assert all(payload for _, payload in rig.frames)
    assert inflated(rig) == [(BINARY, bytes(40 << 20), True)]


def test_a_write_tells_its_progress_between_the_fragments(rig):
    told = []
    rig.session.write(BINARY, LARGE, lambda count: told.append((count, len(rig.frames))))
    assert told == [(min(number * FRAGMENT_BYTES, len(LARGE)), number) for number in range(1, 7)]
    assert inflated(rig) == [(BINARY, LARGE, True)]


def test_what_goes_in_fragments_is_compressed_from_the_same_size_on(rigs):
    size = 2 * FRAGMENT_BYTES
    rig = rigs(agreement=WHOLE, compression=Deflate(minimum_size=size))
    for payload in (LARGE[: size - 1], LARGE[:size]):
        rig.session.write(BINARY, payload, None)
    assert inflated(rig) == [(BINARY, LARGE[: size - 1], False), (BINARY, LARGE[:size], True)]


def test_pongs_and_the_close_frame_pass_between_the_fragments(rig):
    pong = encode_frame(PONG, b"p")

    def progress(count):
        if count == FRAGMENT_BYTES:
            rig.session.outbox.post_pong(pong)
        elif count == 3 * FRAGMENT_BYTES:
            rig.session.outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))

    with pytest.raises(OperationCanceledError):
        rig.session.write(BINARY, LARGE, progress)
    assert [first for first, _ in rig.frames] == [RSV1 | BINARY, FIN | PONG, 0, 0, FIN | CLOSE]


# Senders that give up.


def test_what_was_compressed_and_did_not_go_in_time_goes_before_the_next(rig, waits):
    # Not a byte has gone, but the context holds the message.
    rig.transport.is_blocked = True
    with pytest.raises(OperationTimedOutError) as caught:
        rig.session.send_message(TEXT, TEXTS[0])
    assert caught.value.is_queued is True
    rig.transport.is_blocked = False
    rig.session.send_message(TEXT, TEXTS[1])
    assert inflated(rig) == [(TEXT, text, True) for text in TEXTS[:2]]


def test_a_message_that_never_had_its_turn_leaves_the_context_alone(rig):
    first = stuck_sender(rig.session.outbox, rig.transport, encode_frame(TEXT, b"0123456789"))
    rig.session.outbox.send_timeout = 0.02
    with pytest.raises(OperationTimedOutError) as caught:
        rig.session.send_message(TEXT, TEXTS[0])
    assert caught.value.is_queued is False
    rig.transport.unblock()
    assert first.end() is None
    rig.session.send_message(TEXT, TEXTS[1])
    assert inflated(rig) == [(TEXT, b"0123456789", False), (TEXT, TEXTS[1], True)]


def test_a_sender_that_waits_counts_as_pending(rig):
    first = stuck_sender(rig.session.outbox, rig.transport, encode_frame(TEXT, b"0123456789"))
    second = Call(rig.session.send_message, TEXT, TEXTS[0])
    while not rig.session.outbox._waiting:
        pass
    assert rig.session.outbox.pending_bytes >= len(TEXTS[0])
    rig.transport.unblock()
    assert (first.end(), second.end()) == (None, None)


@pytest.mark.parametrize("takes", [(), (10,), (FRAGMENT_BYTES + 60,), (FRAGMENT_BYTES + 60, 10)])
def test_the_rest_of_fragments_follows_when_their_sender_gives_up(rig, waits, takes):
    rig.transport.takes.extend(takes)
    rig.transport.is_blocked = True
    with pytest.raises(OperationTimedOutError) as caught:
        rig.session.send_in_fragments(BINARY, LARGE, None)
    assert caught.value.is_queued is True
    rig.transport.is_blocked = False
    rig.session.send_message(TEXT, TEXTS[0])
    assert inflated(rig) == [(BINARY, LARGE, True), (TEXT, TEXTS[0], True)]
    assert rig.session.outbox.is_idle


def test_of_a_buffer_that_may_change_the_rest_is_copied_or_only_closing_is_left(rigs, waits):
    for size, is_queued in [(MAX_KEPT_BYTES, True), (MAX_KEPT_BYTES + 2 * FRAGMENT_BYTES, False)]:
        rig = rigs(agreement=WHOLE, send_timeout=5.0)
        payload = bytearray(random.Random(1).randbytes(size))
        plain = bytes(payload)
        rig.transport.is_blocked = True
        with pytest.raises(OperationTimedOutError) as caught:
            rig.session.send_in_fragments(BINARY, payload, None)
        assert caught.value.is_queued is is_queued
        rig.transport.is_blocked = False
        payload[:] = bytes(size)
        if is_queued:
            rig.session.send_message(TEXT, TEXTS[0])
            assert inflated(rig) == [(BINARY, plain, True), (TEXT, TEXTS[0], True)]
        else:
            for compress in (True, False):
                with pytest.raises(IllegalMethodCallError, match="can only be closed"):
                    rig.session.send_message(TEXT, TEXTS[0], compress)


def test_a_progress_callback_that_raises_leaves_only_closing(rig):
    def progress(_):
        raise KeyError("enough")

    with pytest.raises(KeyError):
        rig.session.write(BINARY, LARGE, progress)
    with pytest.raises(IllegalMethodCallError, match="can only be closed"):
        rig.session.send_message(TEXT, TEXTS[0])
    rig.session.outbox.post_close(encode_frame(CLOSE, b"\x03\xe8"))
    assert rig.frames[-1] == (FIN | CLOSE, b"\x03\xe8")


class Interrupting:
    """A compressor that is interrupted once, when it has taken the data."""

    def __init__(self, deflater):
        self.deflater = deflater

    def __getattr__(self, name):
        return getattr(self.deflater, name)

    def compress(self, *arguments, **options):
        self.deflater.compress(*arguments, **options)
        raise KeyboardInterrupt


@pytest.mark.parametrize("payload", [TEXTS[0], LARGE])
def test_an_interruption_while_a_message_is_compressed_cuts_the_connection(rig, payload):
    rig.session.send_message(TEXT, TEXTS[0])
    rig.session.compression.deflater = Interrupting(rig.session.compression.deflater)
    with pytest.raises(KeyboardInterrupt):
        rig.session.send_message(TEXT, payload)
    assert rig.transport.aborts
    with pytest.raises(ConnectionLostError, match="interrupted in the middle of a frame, by KeyboardInterrupt"):
        rig.session.send_message(TEXT, TEXTS[1])
    assert inflated(rig) == [(TEXT, TEXTS[0], True)]


def test_an_interruption_of_the_wait_leaves_the_rest_to_the_next(rig, waits):
    def interrupt():
        raise KeyboardInterrupt

    waits.actions.append(interrupt)
    rig.transport.is_blocked = True
    with pytest.raises(KeyboardInterrupt):
        rig.session.send_message(TEXT, TEXTS[0])
    rig.transport.is_blocked = False
    rig.session.send_message(TEXT, TEXTS[1])
    assert inflated(rig) == [(TEXT, text, True) for text in TEXTS[:2]]


# Many threads.


@pytest.mark.parametrize("agreement", [WHOLE, Agreement(client_context_takeover=False)])
def test_a_storm_of_threads_keeps_the_context_in_order(rigs, agreement, request):
    rig = rigs(agreement=agreement, send_timeout=LIMIT)
    interval = sys.getswitchinterval()
    request.addfinalizer(lambda: sys.setswitchinterval(interval))
    sys.setswitchinterval(1e-6)

    def send(number):
        for index in range(40):
            text = f"{number}/{index} ".encode() * (1 + index * 7 % 50)
            if index % 10 == 9:
                rig.session.write(BINARY, text * 800, lambda _: None)
            else:
                rig.session.send_message(TEXT, text, index % 5 != 4)
            if index % 7 == 0:
                rig.session.outbox.post_pong(encode_frame(PONG, b"p"))

    run_together(rig.session.outbox, [threading.Thread(target=send, args=(number,)) for number in range(8)])
    read = inflated(rig)
    assert len(read) == 320
    for number in range(8):
        own = [plain for _, plain, _ in read if plain.startswith(f"{number}/".encode())]
        assert [int(plain.split(b" ")[0].split(b"/")[1]) for plain in own] == list(range(40))


# Receiving, and the end.


def test_a_reader_inflates_and_counts(rigs):
    deflater = Deflater()
    frames = [server_frame(TEXT, deflater.compress(text), rsv=0x40) for text in TEXTS]
    rig = rigs(*frames, server_frame(CLOSE, b"\x03\xe8"), b"", agreement=WHOLE)
    rig.owner.note_messages()
    rig.run()
    assert rig.owner.log[:-1] == [text.decode() for text in TEXTS]
    statistics = rig.session.compression.read_statistics()
    assert statistics.bytes_inflated == sum(map(len, TEXTS))
    assert statistics.bytes_to_inflate == deflater.compressed_bytes


def test_the_context_is_given_back_with_the_connection(rigs):
    rig = rigs(server_frame(CLOSE, b"\x03\xe8"), b"", agreement=WHOLE)
    rig.session.send_message(TEXT, TEXTS[0])
    assert rig.session.compression.deflater._engine is not None
    rig.run()
    assert rig.session.compression.deflater._engine is None


def test_a_stream_inflates_no_more_than_its_inbox_holds(stream_rigs):
    deflater = Deflater()
    rig = stream_rigs(
        server_frame(BINARY, deflater.compress(bytes(64 << 20)), rsv=0x40),
        agreement=WHOLE,
        inbox_size_in_bytes=100_000,
    )
    rig.start()
    while not rig.session.is_paused:
        pass
    # What one call gives out comes on top, as one read does.
    assert rig.session.inbox.size <= 100_000 + 262144 + 65536
    statistics = rig.session.compression.read_statistics()
    assert statistics.bytes_inflated == rig.session.inbox.size
