"""MessageInbox.take_answer: the short way of a conversation, which leaves to the long one whatever is not that."""

import itertools
import threading

import pytest
from support import LIMIT, server_frame
from support.calls import Call
from support.fakes import interrupt_at
from support.scripts import BINARY, CLOSE, FIN, PING, PONG, TEXT

from syncws._connection.receiving.reading_role import Hold
from syncws._streams.operation import Operation
from syncws._waiting.deadline import Deadline
from syncws._wire.frames import close_payload
from syncws.errors import InvalidOperationError, OperationTimedOutError, ProtocolViolationError

CLOSE_1000 = server_frame(CLOSE, close_payload(1000, "bye"))


@pytest.fixture(params=[True, False], ids=["after a wait", "at the first look"])
def begin(request):
    """Let a connection be read; nobody does."""

    def begin(rig):
        if request.param:
            # The look finds nothing.
            rig.transport.feed(None)
            rig.transport.incoming.rotate(1)
        rig.session.start()
        return rig

    return begin


def turn(rig, seconds=LIMIT):
    return rig.session.inbox.take_answer(Deadline(seconds), rig.owner.message_received)


def content(message):
    return message.payload if message.text is None else message.text


def receive(rig, seconds=LIMIT):
    """As MessageWebSocket.receive() does."""
    return content(rig.session.receive(Deadline(seconds), bool, rig.owner.message_received))


def test_what_tls_still_holds_after_a_look_in_vain_is_not_waited_for(rigs, monkeypatch):
    rig = rigs(None)
    rig.session.start()
    rig.transport.has_buffered = True
    monkeypatch.setattr(type(rig.session.inbox.puller), "_wait", lambda *_: pytest.fail("it waited"))
    assert turn(rig) is None
    assert not rig.session.role.is_drained


def test_what_tls_wants_sent_goes_before_a_turn(rigs):
    rig = rigs(server_frame(TEXT, b"hello"))
    rig.session.start()
    rig.transport.has_unsent = True
    assert content(turn(rig)) == "hello"
    assert not rig.transport.has_unsent


@pytest.mark.parametrize(
    "said",
    ["hello", "", "é" * 60, b"", b"\0\xff", bytes(125)],
    ids=["text", "empty text", "not ASCII", "empty", "binary", "the most"],
)
def test_a_single_small_message_is_the_turn(rigs, begin, said):
    data = said.encode() if isinstance(said, str) else said
    rig = begin(rigs(server_frame(TEXT if isinstance(said, str) else BINARY, data), server_frame(TEXT, b"next")))
    assert content(turn(rig)) == said
    assert content(turn(rig)) == "next"
    assert rig.session.received.whole == 2
    assert rig.session.role.holders == {}
    assert rig.session.role.is_drained
    assert rig.session.role.pulls == 2
    assert not rig.session.inbox.is_being_taken


ONE = server_frame(TEXT, b"one")

LEFT = {
    "two messages": [ONE + server_frame(TEXT, b"two")],
    "a ping before it": [server_frame(PING, b"?") + ONE],
    "a ping behind it": [ONE + server_frame(PING, b"?")],
    "a part of one": [ONE[:3], ONE[3:]],
    "a part of a header": [ONE[:1], ONE[1:]],
    "a fragment": [b"\x01\x02on", server_frame(0, b"e")],
    "more than a large read": [server_frame(TEXT, b"one" + bytes(5000))],
    "a Close frame behind it": [ONE + CLOSE_1000],
}


@pytest.mark.parametrize("incoming", LEFT.values(), ids=LEFT)
def test_whatever_else_comes_is_left_to_the_long_way(rigs, begin, incoming):
    rig = begin(rigs(*incoming))
    assert turn(rig) is None
    assert receive(rig)[:3] == "one"
    assert rig.session.received.messages in (1, 2)


def test_only_pings_are_answered_and_waited_behind(rigs, begin):
    rig = begin(rigs(server_frame(PING, b"?")))
    assert turn(rig) is None
    with pytest.raises(OperationTimedOutError):
        receive(rig, 0.0)
    assert [first for first, _ in rig.frames] == [FIN | PONG]


def test_a_violation_is_told_by_the_long_way(rigs, begin):
    rig = begin(rigs(server_frame(TEXT, b"\xff")))
    assert turn(rig) is None
    with pytest.raises(ProtocolViolationError):
        receive(rig)


def test_the_end_is_told_by_the_long_way(rigs, begin):
    rig = begin(rigs(b""))
    assert turn(rig) is None
    assert rig.session.wait_closed(Deadline(LIMIT))


def test_in_the_middle_of_a_message_there_is_no_turn(rigs, begin):
    rig = begin(rigs(b"\x01\x02on"))
    assert turn(rig) is None
    with pytest.raises(OperationTimedOutError):
        receive(rig, 0.0)
    # It would look like a message by itself.
    rig.transport.feed(server_frame(0, b"e") + ONE)
    assert receive(rig) == "one"
    assert receive(rig) == "one"


def test_behind_half_a_header_there_is_no_turn(rigs, begin):
    """What comes is no message although it looks like one: it is the rest of another."""
    rig = begin(rigs(b"\x81\x7e"))
    assert turn(rig) is None
    with pytest.raises(OperationTimedOutError):
        receive(rig, 0.0)
    rig.transport.feed(b"\x00\x81" + bytes(0x7F))
    assert turn(rig) is None
    rig.transport.feed(b"\x00\x00")
    assert receive(rig) == "\0" * 0x81


def test_what_was_posted_goes_before_a_look(rigs):
    rig = rigs(ONE)
    rig.session.start()
    rig.session.outbox._posted.post_pong(server_frame(PONG, b"?"))
    rig.session.outbox.has_posted = True
    assert content(turn(rig)) == "one"
    assert rig.transport.sent == server_frame(PONG, b"?")


def test_a_close_by_another_thread_is_seen_while_answers_are_always_there(rigs, begin):
    rig = begin(rigs(*[ONE] * 3))
    assert content(turn(rig)) == "one"
    rig.session.role.is_asked = True
    assert turn(rig) is None


def test_what_waits_comes_first(rigs, begin):
    rig = begin(rigs(ONE + server_frame(TEXT, b"two"), server_frame(TEXT, b"three")))
    assert [receive(rig), receive(rig), receive(rig)] == ["one", "two", "three"]


def test_a_handler_that_was_added_meanwhile_gets_it(rigs, begin):
    rig = begin(rigs(ONE))
    rig.owner.message_received.add(lambda _, message: handled.append(message.text) or came.set())
    handled, came = [], threading.Event()
    assert turn(rig) is None
    rig.session.role.call()
    assert came.wait(LIMIT)
    assert handled == ["one"]


def test_whoever_needs_a_reader_gets_one_and_nothing_is_lost(rigs, begin):
    rig = begin(rigs(ONE))
    rig.session.role.is_asked = True
    assert turn(rig) is None
    assert receive(rig) == "one"


def test_while_another_reads_there_is_no_turn(rigs, begin):
    rig = begin(rigs(ONE))
    hold = Hold()
    assert rig.session.role.take(hold)
    assert turn(rig) is None
    assert rig.session.role.is_held_by(hold)
    rig.session.role.give_back(hold)
    assert receive(rig) == "one"


def test_another_thread_that_receives_keeps_it(rigs, begin):
    rig = begin(rigs(ONE))
    other = Operation()
    rig.session.inbox._begin(other, "busy")
    with pytest.raises(InvalidOperationError):
        turn(rig)
    other.is_over = True
    assert content(turn(rig)) == "one"


def test_a_second_receive_is_refused_while_a_turn_waits(rigs, begin):
    rig = begin(rigs())
    first = Call(receive, rig)
    while not rig.session.role.pulls:
        pass
    with pytest.raises(InvalidOperationError):
        receive(rig)
    rig.transport.feed(ONE)
    assert first.end() is None


def test_a_close_ends_its_wait(rigs, begin):
    rig = begin(rigs())
    first = Call(turn, rig)
    while not rig.session.role.pulls:
        pass
    rig.session.abort()
    assert first.end() is None
    assert rig.session.finished.wait(LIMIT)


def test_with_a_descriptor_given_out_there_is_no_turn(rigs, begin):
    rig = begin(rigs(ONE))
    rig.session.inbox.fileno()
    assert turn(rig) is None
    rig.session.inbox._descriptor._waker.close()


def test_an_interruption_loses_one_message_at_most_and_repeats_none(rigs, begin):
    lost = 0
    for number in itertools.count():
        rig = begin(rigs(ONE))
        if not interrupt_at(number, turn, rig):
            break
        assert rig.session.role.holders == {}
        assert not rig.session.inbox.is_being_taken
        rig.transport.feed(server_frame(TEXT, b"two"))
        received = [receive(rig)]
        if received == ["one"]:
            received.append(receive(rig))
        else:
            lost += 1
        assert received[-1] == "two"
    assert number > 15
    # From the step that takes to the return of the call.
    assert lost <= 3


def test_an_interruption_of_a_turn_in_the_middle_of_a_message_loses_nothing(rigs, begin):
    for number in itertools.count():
        rig = begin(rigs(b"\x01\x02on"))
        assert turn(rig) is None
        with pytest.raises(OperationTimedOutError):
            receive(rig, 0.0)
        rig.transport.feed(server_frame(0, b"e"))
        if not interrupt_at(number, turn, rig):
            break
        assert receive(rig) == "one"
    assert number > 10
