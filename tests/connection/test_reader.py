"""The reader: bytes in, handlers called, control frames answered, and how it comes to an end."""

import ssl
import threading
import weakref
import zlib

import pytest
from support import LIMIT, join, server_frame, wait
from support.fakes import FakeClock
from support.scripts import BINARY, CLOSE, FIN, PING, PONG, TEXT

import syncws
from syncws._connection import closing
from syncws._connection.receiving import reader as module
from syncws._connection.receiving import session_role
from syncws._connection.sending.outbox import Outbox
from syncws._connection.sending.posted import ControlFrame
from syncws._waiting import deadline as deadline_module
from syncws._wire.decoder import Decoder
from syncws._wire.extension import Agreement
from syncws._wire.frames import close_payload, encode_frame
from syncws.errors import ConnectionLostError, ProtocolViolationError
from syncws.hresult import HResult

CLOSE_1000 = server_frame(CLOSE, close_payload(1000, "bye"))


def test_messages_go_to_the_handlers_in_order(rigs):
    rig = rigs(server_frame(TEXT, b"one") + server_frame(BINARY, b"two"), server_frame(TEXT, b"three"), CLOSE_1000, b"")
    rig.owner.note_messages()
    rig.run()
    assert rig.owner.log == ["one", b"two", "three", (1000, "bye")]


def test_what_came_behind_the_handshake_is_read_first(rigs):
    rig = rigs(server_frame(TEXT, b"second"), CLOSE_1000, b"", remainder=server_frame(TEXT, b"first"))
    rig.owner.note_messages()
    rig.run()
    assert rig.owner.log == ["first", "second", (1000, "bye")]


def test_a_close_frame_behind_the_handshake_ends_the_connection(rigs):
    rig = rigs(b"", remainder=CLOSE_1000)
    rig.run()
    assert rig.owner.log == [(1000, "bye")]


def test_a_frame_in_pieces_is_one_message(rigs):
    rig = rigs(*[bytes([byte]) for byte in server_frame(TEXT, b"pieces")], CLOSE_1000, b"")
    rig.owner.note_messages()
    rig.run()
    assert rig.owner.log == ["pieces", (1000, "bye")]


def test_what_waits_to_go_out_goes_under_a_peer_that_never_pauses(rigs):
    rig = rigs(*[server_frame(TEXT, b"x")] * 3, CLOSE_1000, b"")
    rig.transport.has_buffered = True
    sent = []

    def handler(*_):
        sent.append(list(rig.frames))
        if len(sent) == 1:
            rig.session.outbox.post_control(ControlFrame(encode_frame(PING, b"mine")))

    rig.owner.message_received.add(handler)
    rig.run()
    assert sent == [[], [(FIN | PING, b"mine")], [(FIN | PING, b"mine")]]


def test_what_waits_to_go_out_goes_before_a_compressed_message_is_inflated_to_its_end(rigs, monkeypatch):
    engine = zlib.compressobj(wbits=-15)
    payload = (engine.compress(bytes(8 << 20)) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]
    rig = rigs(server_frame(BINARY, payload, rsv=0x40), CLOSE_1000, b"", agreement=Agreement())
    receive_data, was_more = Decoder.receive_data, []

    def post_and_decode(decoder, data):
        if not was_more:
            # As the monitor does, and a program's ping().
            rig.session.outbox.post_control(ControlFrame(encode_frame(FIN | PING, b"?")))
        return receive_data(decoder, data)

    monkeypatch.setattr(Decoder, "receive_data", post_and_decode)
    rig.transport.on_send = lambda _: was_more.append(rig.session.role.reader.decoder.has_more)
    rig.run()
    assert was_more[0]


def test_without_handlers_messages_wait_in_the_inbox(rigs):
    rig = rigs(server_frame(TEXT, b"one"), CLOSE_1000, b"")
    rig.run()
    assert rig.session.inbox.take_now().text == "one"


def test_a_handler_that_is_added_late_gets_what_came_before(rigs):
    rig = rigs(server_frame(TEXT, b"one"))
    rig.start()
    while not rig.session.inbox.has_messages:
        pass
    rig.owner.note_messages()
    rig.waker.wake()
    rig.transport.feed(CLOSE_1000)
    rig.transport.feed(b"")
    rig.end()
    assert rig.owner.log == ["one", (1000, "bye")]


class Changing:
    """An Event that has handlers at some looks and none at others; what is delivered goes to the real one."""

    def __init__(self, real, *looks):
        self.real = real
        self.looks = list(looks)

    @property
    def handlers(self):
        has_handlers = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return self.real.handlers if has_handlers else ()

    def call(self, handlers, sender, message):
        return self.real.call(handlers, sender, message)


@pytest.mark.parametrize("looks", [[False, True], [True, False, True], [True, True, False, True]])
def test_whenever_a_handler_is_added_or_removed_no_message_is_lost_and_order_holds(rigs, looks):
    rig = rigs()
    reader = rig.begun_reader()
    rig.owner.note_messages()
    rig.owner.message_received = Changing(rig.owner.message_received, *looks)
    reader._process(
        Decoder(1000).receive_data(b"".join(server_frame(TEXT, text) for text in (b"one", b"two", b"three")))
    )
    reader._deliver_waiting()
    assert rig.owner.log == ["one", "two", "three"]


def test_a_message_that_waits_goes_before_one_that_comes_when_a_handler_was_just_added(rigs):
    rig = rigs()
    reader = rig.begun_reader()
    reader._process(Decoder(1000).receive_data(server_frame(TEXT, b"one")))
    rig.owner.note_messages()
    reader._process(Decoder(1000).receive_data(server_frame(TEXT, b"two")))
    reader._deliver_waiting()
    assert rig.owner.log == ["one", "two"]


def test_a_failing_handler_is_counted_and_the_connection_goes_on(rigs, caplog):
    rig = rigs(server_frame(TEXT, b"one") + server_frame(TEXT, b"two"), CLOSE_1000, b"")
    rig.owner.message_received.add(lambda *_: 1 / 0)
    rig.run()
    assert rig.session.handler_failures == 2
    assert rig.owner.log == [(1000, "bye")]
    assert "ZeroDivisionError" in caplog.text


def test_a_ping_is_answered_with_its_payload(rigs):
    rig = rigs(server_frame(PING, b"hello"), CLOSE_1000, b"")
    rig.run()
    assert rig.frames[0] == (FIN | PONG, b"hello")


def test_a_pong_is_ignored(rigs):
    rig = rigs(server_frame(PONG, b"unasked"), CLOSE_1000, b"")
    rig.run()
    assert len(rig.transport.sends) == 1


def test_the_peers_close_frame_is_echoed(rigs):
    rig = rigs(CLOSE_1000, b"")
    rig.run()
    assert rig.frames[-1][1] == close_payload(1000, "bye")


def test_the_end_without_a_close_frame_is_a_lost_connection(rigs):
    rig = rigs(b"")
    rig.run()
    assert isinstance(rig.owner.log[0], ConnectionLostError)
    assert rig.owner.log[0].hresult == HResult.WININET_E_CONNECTION_ABORTED
    assert rig.owner.log[1] == (1006, "")


def test_a_reset_is_a_lost_connection_of_its_own_kind(rigs):
    rig = rigs(ConnectionResetError(104, "reset"))
    rig.run()
    assert rig.owner.log[0].hresult == HResult.WININET_E_CONNECTION_RESET
    assert rig.owner.log[1] == (1006, "")


def test_what_is_no_tls_is_the_cause_of_the_loss(rigs):
    what_came = ssl.SSLError(1, "[SSL: BAD_RECORD] bad record (_ssl.c:2580)")
    rig = rigs(what_came)
    rig.run()
    assert rig.owner.log[0].message == "the connection broke: [SSL: BAD_RECORD] bad record"
    assert rig.owner.log[0].__cause__ is what_came
    assert what_came.__traceback__ is None


def test_a_reset_that_answers_the_cut_of_an_interrupted_send_is_not_told_in_its_place(rigs):
    rig = rigs()
    rig.transport.takes.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        rig.session.send_message(TEXT, b"x")
    rig.transport.feed_quietly(ConnectionResetError(104, "reset"))
    rig.run()
    assert isinstance(rig.owner.log[0], ConnectionLostError)
    assert "interrupted in the middle of a frame, by KeyboardInterrupt" in str(rig.owner.log[0])
    assert rig.owner.log[1] == (1006, "")


def test_a_reset_after_the_close_frames_is_no_loss(rigs):
    rig = rigs(CLOSE_1000, ConnectionResetError(104, "reset"))
    rig.run()
    assert rig.owner.log == [(1000, "bye")]


def test_a_violation_is_answered_and_told(rigs):
    rig = rigs(b"\xff\xff", b"")
    rig.run()
    assert isinstance(rig.owner.log[0], ProtocolViolationError)
    assert rig.owner.log[1][0] == 1002
    assert rig.frames[-1][1][:2] == (1002).to_bytes(2, "big")


def test_messages_before_a_violation_are_delivered(rigs):
    rig = rigs(server_frame(TEXT, b"good") + b"\xff\xff", b"")
    rig.owner.note_messages()
    rig.run()
    assert rig.owner.log[0] == "good"


def test_a_full_inbox_stops_the_reading_until_there_is_room(rigs):
    rig = rigs(inbox_size_in_bytes=3)
    rig.start()
    rig.transport.feed(server_frame(BINARY, b"123"))
    while not rig.session.inbox.is_full:
        pass
    rig.transport.feed(server_frame(BINARY, b"456"))
    rig.waker.wake()
    received = [rig.session.receive(deadline_module.Deadline(LIMIT)).payload for _ in range(2)]
    assert received == [b"123", b"456"]


def test_a_full_inbox_stops_the_reading_also_when_there_is_more_at_hand(rigs, monkeypatch):
    frame = server_frame(BINARY, b"123")
    monkeypatch.setattr(module, "SMALL_BYTES", len(frame))
    monkeypatch.setattr(module, "MANY_BYTES", len(frame))
    rig = rigs(frame * 2, inbox_size_in_bytes=3)
    rig.start()
    received = [rig.session.receive(deadline_module.Deadline(LIMIT)).payload for _ in range(2)]
    assert received == [b"123", b"123"]


def test_small_messages_are_read_by_4_kib_and_large_ones_by_64(rigs):
    small, large = server_frame(BINARY, b"small"), server_frame(BINARY, bytes(4096))
    rig = rigs(small, large, *[small] * 18, CLOSE_1000, b"")
    rig.run()
    sizes = rig.transport.sizes
    # The large one takes a read of each kind; of the sixteen after a full read the first has its rest.
    assert sizes[:20] == [4096] * 2 + [65536] * 16 + [4096] * 2


def test_reads_grow_for_messages_that_are_few_in_a_read(rigs):
    small, large = server_frame(BINARY, b"small"), server_frame(BINARY, bytes(5000))
    rig = rigs(large, large * 2, small * 300, large, large, CLOSE_1000, b"")
    rig.transport.most_bytes = 262144
    rig.run()
    # The first message takes a read of each kind. After 300 small ones in one read it is 64 KiB again.
    assert rig.transport.sizes[:6] == [4096, 262144, 262144, 262144, 65536, 262144]


@pytest.mark.parametrize(("capacity", "most"), [((1 << 19) - 1, 65536), (1 << 19, 262144)])
def test_reads_stay_small_beside_what_may_wait(rigs, capacity, most):
    rig = rigs(*[server_frame(BINARY, bytes(5000))] * 3, CLOSE_1000, b"", inbox_size_in_bytes=capacity)
    rig.transport.most_bytes = 262144
    rig.run()
    assert max(rig.transport.sizes) == most


def test_a_flood_of_small_frames_of_any_kind_is_read_by_64_kib(rigs):
    floods = [server_frame(PING, b"") * 300, server_frame(TEXT, b"", fin=False) + server_frame(0, b"", fin=False) * 300]
    rig = rigs(server_frame(BINARY, bytes(5000)), *floods, CLOSE_1000, b"")
    rig.transport.most_bytes = 262144
    rig.run()
    assert rig.transport.sizes[:5] == [4096, 262144, 262144, 65536, 65536]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_of_a_frame_larger_than_any_read_little_is_read_elsewhere_first(rigs, opcode):
    frame = server_frame(opcode, b"x" * 400_000)
    rig = rigs(*[frame[:4096], frame[4096:]] * 3, CLOSE_1000, b"")
    rig.run()
    # Of binary messages Python's form has no room for anybody else.
    has_room = syncws.accelerated or opcode == TEXT
    assert (rig.transport.sizes.count(4096) >= 3) is has_room
    assert (65536 in rig.transport.sizes) is not has_room


@pytest.mark.skipif(not syncws.accelerated, reason="in plain Python no views come")
def test_what_was_decoded_is_held_by_nobody_while_handlers_run_or_nothing_comes(rigs):
    held = []

    def make():
        # On the thread that lets go of it: without a GIL another's object would stay until that thread runs.
        view = memoryview(server_frame(BINARY, b"first") + server_frame(BINARY, b"second"))
        held.append(weakref.ref(view))
        return view

    rig = rigs(make, CLOSE_1000, b"")
    rig.owner.message_received.add(lambda _, args: held.append(held[0]()))
    rig.run()
    assert held[1:] == [None, None]


def test_a_pong_that_does_not_go_now_goes_when_the_transport_is_writable(rigs):
    rig = rigs()
    rig.transport.block()
    rig.start()
    rig.transport.feed(server_frame(PING, b"hello"))
    wait(rig.transport.refused)
    rig.transport.unblock()
    rig.transport.feed(CLOSE_1000)
    rig.transport.feed(b"")
    rig.end()
    assert rig.frames[0][1] == b"hello"


def test_what_tls_has_at_hand_is_read_without_asking_poll(rigs):
    rig = rigs()
    rig.transport.incoming.extend([CLOSE_1000, b""])
    rig.transport.has_buffered = True
    rig.run()
    assert rig.owner.log == [(1000, "bye")]


@pytest.mark.parametrize("answers", [False, True], ids=["silent", "answering"])
def test_after_a_handler_that_has_sent_it_looks_once_before_it_waits(rigs, monkeypatch, answers):
    rig = rigs()
    receives_before_wait = []
    scripted = [server_frame(TEXT, b"a question"), CLOSE_1000]

    def feed_and_wait(reader, interest, deadline):
        receives_before_wait.append(len(rig.transport.sizes))
        rig.transport.feed(scripted.pop(0) if scripted else b"")
        return wait_for(reader, interest, deadline)

    def received(sender, args):
        if answers:
            rig.session.outbox.send(encode_frame(TEXT, b"an answer"))

    wait_for = module.Reader._wait
    monkeypatch.setattr(module.Reader, "_wait", feed_and_wait)
    rig.owner.message_received.add(received)
    rig.run()
    assert receives_before_wait[:2] == [0, 2 if answers else 1]


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), MemoryError()])
def test_what_the_reader_fails_with_ends_the_connection_and_is_logged_and_named(rigs, caplog, failure):
    rig = rigs(failure)
    rig.run()
    assert type(failure).__name__ in caplog.text
    # Whoever connects again, as after any loss, hears of it.
    assert isinstance(rig.owner.log[0], ConnectionLostError)
    assert repr(failure) in str(rig.owner.log[0])
    assert rig.transport.closes == 1


def test_a_defect_after_a_violation_keeps_the_violation(rigs, caplog):
    rig = rigs(b"\xff\xff", RuntimeError("a defect"))
    rig.run()
    assert isinstance(rig.owner.log[0], ProtocolViolationError)


def test_messages_after_a_local_close_are_dropped(rigs):
    rig = rigs(close_timeout=LIMIT)
    rig.owner.note_messages()
    rig.start()
    closer = threading.Thread(target=rig.session.close, args=(1000, "", LIMIT))
    closer.start()
    while not rig.session.closing.is_discarding:
        pass
    rig.transport.feed(server_frame(TEXT, b"late"))
    rig.transport.feed(CLOSE_1000)
    rig.transport.feed(b"")
    join(closer)
    assert rig.owner.log == [(1000, "bye")]


def test_messages_that_waited_are_dropped_when_the_handler_closes(rigs):
    rig = rigs()
    reader = rig.begun_reader()
    reader._process(Decoder(1000).receive_data(server_frame(TEXT, b"one") + server_frame(TEXT, b"two")))
    seen = []

    def close_at_the_first(_, message):
        seen.append(message.text)
        rig.session.closing.is_discarding = True

    rig.owner.message_received.add(close_at_the_first)
    reader._deliver_waiting()
    assert seen == ["one"]


def test_the_peer_has_a_moment_to_end_tcp_and_no_longer(rigs, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", 0.01)
    rig = rigs(CLOSE_1000)
    rig.run()
    assert rig.owner.log == [(1000, "bye")]
    assert rig.transport.ends_of_output == 1


def test_a_peer_that_sends_after_its_close_frame_is_left_after_a_moment(rigs, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", 0.0)
    rig = rigs(CLOSE_1000)
    rig.transport.has_buffered = True
    real = rig.transport.receive
    rig.transport.receive = lambda size: real(size) or b"more"
    rig.run()
    assert rig.owner.log == [(1000, "bye")]


def test_lingering_ends_with_the_close_deadline_when_our_close_frame_does_not_go(rigs, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", 0.0)
    rig = rigs(close_timeout=0.01)
    rig.transport.block()
    rig.start()
    rig.transport.feed(CLOSE_1000)
    rig.end()
    assert rig.owner.log == [(1000, "bye")]


def test_a_sender_that_notes_late_that_our_close_frame_has_gone_does_not_prolong_the_lingering(rigs, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", 0.01)
    # Another thread has the writer role: the frame is out, and that thread has not run since.
    looks = []
    linger = module.Reader._linger

    def linger_besides_a_sender(reader):
        looks.append(False)
        linger(reader)

    monkeypatch.setattr(module.Reader, "_linger", linger_besides_a_sender)
    monkeypatch.setattr(Outbox, "is_idle", property(lambda outbox: not looks or looks.pop()))
    rig = rigs(CLOSE_1000, close_timeout=10 * LIMIT)
    rig.start()
    rig.end()
    assert not looks
    assert rig.owner.log == [(1000, "bye")]


def test_lingering_ends_with_the_close_deadline_although_the_peer_floods_and_never_reads(rigs, monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", 0.0)
    rig = rigs(close_timeout=0.01)
    rig.transport.block()
    rig.transport.has_buffered = True
    real = rig.transport.receive
    floods = []

    def receive(size):
        if rig.session.closing.deadline is not None and rig.session.closing.deadline.is_expired:
            floods.append(1)
            if len(floods) > 1000:
                return b""  # Only so that a failing test ends.
        return real(size) or b"more"

    rig.transport.receive = receive
    # Before the reader runs: what floods is no frame, and would end the connection first.
    rig.transport.feed(CLOSE_1000)
    rig.start()
    rig.end()
    assert len(floods) <= 1000, "the reader went on reading after the close deadline"


@pytest.mark.parametrize("has_more", [True, False], ids=["with more at hand", "with one read at a time"])
def test_a_close_that_nobody_waits_for_ends_with_its_deadline_although_the_peer_goes_on_sending(
    rigs, monkeypatch, has_more
):
    # close() inside a handler, or an object that was dropped: only the reader can keep the deadline.
    clock = FakeClock()
    monkeypatch.setattr(deadline_module, "clock", clock)
    rig = rigs()
    frame = server_frame(TEXT, b"tick")
    reads = []

    def receive(_):
        reads.append(1)
        clock.advance(1.0)
        return b"" if len(reads) > 1000 else frame

    rig.transport.receive = receive
    rig.transport.has_buffered = has_more
    rig.transport._far.send(b"x")
    rig.owner.message_received.add(lambda *_: rig.session.close(None, "", 5.0))
    rig.run()
    assert len(reads) <= 1000, "the reader went on reading after the close deadline"
    assert rig.owner.log == [(1006, "")]


def test_a_dropped_owner_closes_with_1001(rigs):
    rig = rigs()
    rig.start()
    rig.session.abandon()
    while not rig.transport.sends:
        pass
    rig.transport.feed(server_frame(CLOSE, close_payload(1001, "")))
    rig.transport.feed(b"")
    rig.end()
    assert rig.frames[0][1] == close_payload(1001, "")


def test_a_dropped_owners_messages_are_dropped(rigs):
    rig = rigs()
    rig.owner = None
    rig.transport.feed(server_frame(TEXT, b"nobody hears it"))
    rig.transport.feed(CLOSE_1000)
    rig.transport.feed(b"")
    rig.run()
    assert not rig.session.inbox.has_messages


def test_messages_that_wait_for_a_dropped_owner_are_not_delivered(rigs):
    rig = rigs(server_frame(TEXT, b"one"))
    reader = rig.begun_reader()
    reader._process(Decoder(1000).receive_data(server_frame(TEXT, b"one")))
    rig.owner = None
    reader._deliver_waiting()
    assert rig.session.inbox.has_messages


def test_a_peer_that_does_not_answer_the_close_of_a_dropped_owner_is_left(rigs, monkeypatch):
    monkeypatch.setattr(closing, "ABANDON_SECONDS", 0.01)
    rig = rigs()
    rig.start()
    rig.session.abandon()
    rig.end()
    assert rig.transport.closes == 1


def test_a_reader_whose_connect_has_given_everything_back_does_nothing(rigs):
    rig = rigs()
    reader = rig.begun_reader()
    assert rig.session.role.claim()
    reader.serve()
    assert rig.owner.log == []
    assert not rig.session.finished.is_set()
    rig.session.finish()


def test_a_turn_at_the_end_of_the_program_leaves_no_time_limit_to_the_next_reader(rigs, monkeypatch):
    monkeypatch.setattr(session_role, "_STEP_SECONDS", 0.0)
    rig = rigs()
    rig.session.start()
    rig.session.role.read_at_exit()
    assert not rig.session.finished.is_set()
    rig.session.role.waiters[rig] = None
    rig.session.role._start()
    rig.transport.feed(CLOSE_1000)
    rig.transport.feed(b"")
    wait(rig.session.finished)
    assert rig.owner.log == [(1000, "bye")]


def test_a_turn_at_the_end_of_the_program_ends_under_a_peer_that_never_pauses(rigs, monkeypatch):
    monkeypatch.setattr(session_role, "_STEP_SECONDS", 0.0)
    rig = rigs(*[server_frame(TEXT, b"x")] * 3)
    rig.transport.has_buffered = True
    rig.session.start()
    rig.session.role.read_at_exit()
    assert len(rig.transport.incoming) == 2
