"""MessageInbox: the short way of taking what a caller has read, and that what waits is counted when somebody asks."""

import random

import pytest
from support.doubles import Call

from syncws._connection.receiving import message_inbox as module
from syncws._connection.receiving.inbox import BUSY, LOOK
from syncws._connection.receiving.message_inbox import MessageInbox
from syncws._streams.byte_source import Operation
from syncws._waiting.deadline import FOREVER
from syncws._wire.incoming import Message
from syncws.events import Event

CAPACITY = 10_000


def message(content):
    made = Message()
    is_text = isinstance(content, str)
    made._text = content if is_text else None
    made._payload = None if is_text else content
    made._length = len(content.encode()) if is_text else len(content)
    made._error = None
    return made


def messages(*contents):
    return [message(content) for content in contents]


@pytest.fixture
def inbox(rooms):
    inbox = MessageInbox(CAPACITY, rooms)
    inbox.is_pulled = True
    return inbox


@pytest.fixture
def event():
    return Event("message_received")


def test_it_takes_the_contents_in_order_and_then_none(inbox, event):
    inbox.put(messages("a", b"b", "", b""))
    assert [inbox.take_content(event) for _ in range(5)] == ["a", b"b", "", b"", None]


def refuse_by_handler(inbox, event):
    event.add(print)


def refuse_by_operation(inbox, event):
    inbox._begin(Operation(), "busy")


def refuse_by_descriptor(inbox, event):
    inbox.fileno()


def refuse_by_reader(inbox, event):
    inbox.is_pulled = False


def refuse_by_fullness(inbox, event):
    inbox.put(messages(bytes(CAPACITY)))


@pytest.mark.parametrize(
    "refuse",
    [refuse_by_handler, refuse_by_operation, refuse_by_descriptor, refuse_by_reader, refuse_by_fullness],
    ids=lambda function: function.__name__[10:],
)
def test_it_leaves_to_the_long_way_what_needs_a_look(inbox, event, refuse):
    inbox.put(messages("a"))
    refuse(inbox, event)
    assert inbox.take_content(event) is None
    assert inbox.take_now().text == "a"
    if inbox.has_descriptor:
        inbox._descriptor._waker.close()


def test_an_operation_that_is_over_is_in_nobodys_way(inbox, event):
    inbox.put(messages("a", "b"))
    assert inbox.take(FOREVER).text == "a"
    assert inbox.take_content(event) == "b"


@pytest.mark.parametrize("seed", range(5))
def test_what_waits_is_told_right_however_it_was_taken(inbox, event, seed):
    chance = random.Random(seed)
    waiting = []
    for _ in range(300):
        if chance.random() < 0.4 and len(waiting) < 20:
            new = [chance.choice(["é" * 5, b"x" * 7, ""]) for _ in range(chance.randrange(4))]
            inbox.put(messages(*new))
            waiting += new
        elif waiting and chance.random() < 0.5:
            assert inbox.take_content(event) == waiting.pop(0)
        elif waiting:
            taken = inbox.take_now()
            assert (taken.payload if taken.text is None else taken.text) == waiting.pop(0)
        if chance.random() < 0.3:
            assert inbox.size == sum(len(item.encode() if isinstance(item, str) else item) for item in waiting)
        assert not inbox.is_full


def test_what_cannot_but_fit_is_weighed_when_somebody_asks(inbox, event, monkeypatch):
    weighed = []
    monkeypatch.setattr(module, "_weight", lambda item: weighed.append(item) or item._length)
    inbox.put(messages(*"abcdefgh"))
    while inbox.take_content(event) is not None and inbox.take_now() is not None:
        pass
    assert not weighed
    inbox.put(messages("a", "b"))
    assert inbox.size == 2
    assert len(weighed) == 2


def test_a_read_that_may_not_fit_is_weighed_and_fills_the_inbox(inbox, event, rooms):
    inbox.put(messages(bytes(CAPACITY - 1), b"xx"))
    assert inbox.is_full
    assert inbox.take_content(event) is None
    inbox.take_now()
    assert not inbox.is_full
    assert rooms.count == 1
    assert inbox.take_content(event) == b"xx"


def test_more_that_comes_behind_what_was_not_weighed_fills_the_inbox_as_ever(inbox, event):
    inbox.put(messages(b"x" * 1000, b"x" * 100))
    inbox.take_content(event)
    inbox.put(messages(bytes(CAPACITY - 101)))
    assert not inbox.is_full
    inbox.put(messages(b"x"))
    assert inbox.is_full


def test_as_many_as_may_wait_fill_it_however_small_they_are(inbox):
    inbox.put(messages(*[b""] * module.MAX_WAITING_MESSAGES))
    assert inbox.is_full


def test_what_is_cleared_leaves_nothing_to_count(inbox, event):
    inbox.put(messages("a", "b"))
    inbox.take_content(event)
    inbox.end(keep=False)
    assert (inbox.size, inbox.take_content(event)) == (0, None)


def test_two_threads_never_get_the_same_one(rooms, event):
    inbox = MessageInbox(1 << 20, rooms)
    inbox.is_pulled = True
    inbox.put(messages(*map(str, range(900))))
    taken = []

    def take():
        while (content := inbox.take_content(event)) is not None:
            taken.append(int(content))

    calls = [Call(take) for _ in range(2)]
    for call in calls:
        call.end()
    assert sorted(taken) == list(range(900))


def test_all_that_waits_is_taken_with_what_lies_in_the_socket(inbox):
    class Puller:
        is_free = True

        def __init__(self):
            self.reads = [messages("b", "c"), messages("d")]

        def pull(self, operation, deadline):
            if not self.reads:
                return BUSY
            inbox.put(self.reads.pop(0))
            return LOOK

    inbox.puller = Puller()
    inbox.put(messages("a"))
    assert [item.text for item in inbox.take_all(bool)] == ["a", "b", "c", "d"]
