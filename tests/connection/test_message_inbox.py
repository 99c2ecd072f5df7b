"""Inbox: messages that wait for receive(), bounded in bytes and in number."""

import sys
import threading
import weakref

import pytest
from support import LIMIT, join
from support.calls import Call
from support.fakes import interrupt_at

from syncws._connection.receiving.message_inbox import MessageInbox
from syncws._waiting.deadline import FOREVER, Deadline
from syncws._wire.incoming import Message
from syncws.errors import IllegalMethodCallError, InvalidOperationError, OperationTimedOutError


def message(payload=b"x"):
    made = Message()
    made._payload = payload
    made._text = None
    made._length = len(payload)
    made._error = None
    return made


@pytest.fixture
def inbox(rooms):
    return MessageInbox(10, rooms)


def test_messages_come_out_in_the_order_in_which_they_went_in(inbox):
    messages = [message(), message(), message()]
    inbox.put(messages[:2])
    inbox.put(messages[2:])
    assert [inbox.take(FOREVER) for _ in range(3)] == messages


def test_take_waits_for_a_message(inbox):
    taken = []
    thread = threading.Thread(target=lambda: taken.append(inbox.take(FOREVER)))
    thread.start()
    sent = message()
    inbox.put([sent])
    join(thread)
    assert taken == [sent]


def test_take_ends_when_its_time_is_over(inbox):
    with pytest.raises(OperationTimedOutError):
        inbox.take(Deadline(0.01))


def test_a_message_that_comes_after_a_timeout_is_there_for_the_next_take(inbox):
    with pytest.raises(OperationTimedOutError):
        inbox.take(Deadline(0.0))
    late = message()
    inbox.put([late])
    assert inbox.take(FOREVER) is late


def test_a_message_that_is_there_is_taken_without_any_time(inbox):
    there = message()
    inbox.put([there])
    assert inbox.take(Deadline(0.0)) is there


def test_a_second_thread_that_takes_is_refused(inbox):
    thread = threading.Thread(target=inbox.take, args=(FOREVER,))
    thread.start()
    while not inbox.is_being_taken:
        pass
    with pytest.raises(InvalidOperationError):
        inbox.take(FOREVER)
    inbox.put([message()])
    join(thread)


def test_after_a_failed_take_another_thread_may_take(inbox):
    with pytest.raises(OperationTimedOutError):
        inbox.take(Deadline(0.0))
    inbox.put([message()])
    thread = threading.Thread(target=inbox.take, args=(Deadline(LIMIT),))
    thread.start()
    join(thread)


def test_an_interruption_anywhere_lets_the_next_take_go_on(inbox):
    for line in range(40):
        inbox.put([message()])
        interrupt_at(line, inbox.take, FOREVER)
        inbox.put([message()])
        assert inbox.take(Deadline(LIMIT)) is not None
        while inbox.has_messages:
            inbox.take_now()


def test_a_taken_message_is_not_kept(inbox):
    class Weakly(Message):
        __slots__ = ("__weakref__",)

    made = Weakly()
    made._payload, made._text, made._length = b"x", None, 1
    reference = weakref.ref(made)
    inbox.put([made])
    del made
    inbox.take(FOREVER)
    assert reference() is None


def test_the_end_wakes_who_waits(inbox):
    taken = []
    thread = threading.Thread(target=lambda: taken.append(inbox.take(FOREVER)))
    thread.start()
    inbox.end(keep=True)
    join(thread)
    assert taken == [None]


def test_what_was_there_before_the_end_can_still_be_taken(inbox):
    there = message()
    inbox.put([there])
    inbox.end(keep=True)
    assert inbox.take(FOREVER) is there
    assert inbox.take(FOREVER) is None


def test_the_end_may_drop_what_was_there(inbox):
    inbox.put([message()])
    inbox.end(keep=False)
    assert inbox.take(FOREVER) is None
    assert not inbox.has_messages


def test_what_comes_after_the_end_is_dropped(inbox):
    inbox.end(keep=True)
    inbox.put([message()])
    assert not inbox.has_messages


def test_it_is_full_when_its_bytes_are_used_up(inbox):
    inbox.put([message(b"123456789")])
    assert not inbox.is_full
    inbox.put([message(b"0")])
    assert inbox.is_full


def test_it_is_full_of_many_messages_however_small(inbox, monkeypatch):
    monkeypatch.setattr(inbox, "_max_count", 4)
    inbox.put([message(b"")] * 3)
    assert not inbox.is_full
    inbox.put([message(b"")])
    assert inbox.is_full


@pytest.mark.parametrize(("capacity", "count"), [(10, 1024), (1023 * 512, 1024), (2000 * 512, 2000)])
def test_a_large_inbox_holds_a_message_for_each_512_bytes_and_any_1024(rooms, capacity, count):
    inbox = MessageInbox(capacity, rooms)
    inbox.put([message(b"")] * (count - 1))
    assert not inbox.is_full
    inbox.put([message(b"")])
    assert inbox.is_full


def test_room_is_told_when_half_of_the_bytes_are_free(inbox, rooms):
    inbox.put([message(b"12345"), message(b"67890")])
    inbox.take(FOREVER)
    assert (rooms.count, inbox.is_full) == (1, False)


def test_room_is_not_told_before_half_is_free(inbox, rooms):
    inbox.put([message(b"1234"), message(b"567890")])
    inbox.take(FOREVER)
    assert (rooms.count, inbox.is_full) == (0, True)


def test_room_is_told_once(inbox, rooms):
    inbox.put([message(b"12345"), message(b"67890")])
    inbox.take(FOREVER)
    inbox.take(FOREVER)
    assert rooms.count == 1


def test_a_message_larger_than_the_inbox_goes_through(inbox, rooms):
    inbox.put([message(b"x" * 100)])
    assert inbox.is_full
    assert inbox.take(FOREVER).length == 100
    assert not inbox.is_full


def test_take_now_takes_one_after_the_other_and_then_none(inbox):
    messages = [message(b"12345"), message(b"67890")]
    inbox.put(messages)
    assert [inbox.take_now(), inbox.take_now(), inbox.take_now()] == [*messages, None]
    assert not inbox.is_full
    assert not inbox.has_messages


def test_its_size_is_the_bytes_that_wait(inbox):
    inbox.put([message(b"123"), message(b"4567")])
    assert inbox.size == 7
    inbox.take(FOREVER)
    assert inbox.size == 4
    inbox.end(keep=False)
    assert inbox.size == 0


def test_room_is_told_of_again_at_the_next_take_when_an_interruption_kept_the_reader_from_hearing_of_it():
    told = []

    def tell():
        told.append(inbox.size)
        if len(told) == 1:
            raise KeyboardInterrupt

    inbox = MessageInbox(4, tell)
    inbox.put([message(b"abcd")])
    with pytest.raises(KeyboardInterrupt):
        inbox.take(FOREVER)
    assert inbox.size == 4
    assert inbox.take(Deadline(0.0)).payload == b"abcd"
    assert told == [4, 4]
    assert not inbox.is_full


@pytest.mark.parametrize(("character", "bytes_each"), [("a", 1), ("é", 1), ("€", 2), ("😀", 4)])
def test_the_bound_is_on_the_memory_that_text_takes(character, bytes_each):
    inbox = MessageInbox(100_000, lambda: None)
    text = character + "a" * 9_999
    count = 0
    while not inbox.is_full:
        made = message(text.encode())
        made._payload, made._text = None, text
        inbox.put([made])
        count += 1
    assert count == -(-100_000 // sys.getsizeof(text))
    assert abs(sys.getsizeof(text) - 10_000 * bytes_each) < 100
    assert inbox.size == count * len(text.encode())


def test_what_refuses_a_take_that_waits_leaves_the_message_to_others(inbox):
    refused = []

    def check():
        if refused:
            raise IllegalMethodCallError("there are handlers")

    taker = Call(inbox.take, FOREVER, check)
    while inbox._signal is None:
        pass
    refused.append(True)
    inbox.put([message(b"for the handler")])
    assert isinstance(taker.end(), IllegalMethodCallError)
    assert inbox.take_now().payload == b"for the handler"
    assert not inbox.is_being_taken


@pytest.mark.parametrize("take", [lambda inbox, check: inbox.take(FOREVER, check), MessageInbox.take_all])
def test_whoever_may_have_no_message_takes_none(inbox, take):
    def check():
        raise IllegalMethodCallError("there are handlers")

    sent = [message(), message()]
    inbox.put(sent)
    with pytest.raises(IllegalMethodCallError):
        take(inbox, check)
    assert [inbox.take(FOREVER) for _ in sent] == sent


def test_a_receive_that_waits_at_a_fork_ends_in_the_child(inbox):
    taker = Call(inbox.take, FOREVER)
    while not inbox.is_waited_for:
        pass
    inbox.let_go_in_child()
    assert taker.result() is None
