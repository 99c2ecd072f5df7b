"""MessageInbox: the short way of taking what a caller has read, and that what waits is counted when somebody asks."""

import random
import select

import pytest
from support.calls import Call

from syncws._connection.receiving import message_inbox as module
from syncws._connection.receiving.inbox import BUSY, LOOK
from syncws._connection.receiving.message_inbox import MessageInbox
from syncws._streams.operation import Operation
from syncws._waiting.deadline import FOREVER
from syncws._wire.incoming import Message, content_of
from syncws.errors import InvalidOperationError

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


def take_at_hand(inbox):
    """Return the content that receive() takes without a look; None when it looks."""
    return inbox.at_hand.take(())


def pull(inbox, *contents):
    """Have a call take what one read has brought besides `contents`."""
    inbox.put(messages("first", *contents))
    assert inbox.take(FOREVER).text == "first"


def test_what_was_pulled_is_at_hand_in_order(inbox):
    pull(inbox, "a", b"b", "", b"")
    assert [take_at_hand(inbox) for _ in range(5)] == ["a", b"b", "", b"", None]


def refuse_by_operation(inbox):
    inbox._begin(Operation(), "busy")
    with pytest.raises(InvalidOperationError):
        inbox.take(FOREVER)


def refuse_by_descriptor(inbox):
    inbox.fileno()


def refuse_by_reader(inbox):
    inbox.stop_pulling()


def refuse_by_fullness(inbox):
    inbox.put(messages(bytes(CAPACITY)))


def refuse_by_count(inbox):
    assert inbox.size == 1


@pytest.mark.parametrize(
    "refuse",
    [refuse_by_operation, refuse_by_descriptor, refuse_by_reader, refuse_by_fullness, refuse_by_count],
    ids=lambda function: function.__name__[10:],
)
def test_what_needs_a_look_is_not_at_hand(inbox, refuse):
    pull(inbox, "a")
    refuse(inbox)
    assert take_at_hand(inbox) is None
    assert inbox.take_now().text == "a"
    if inbox.has_descriptor:
        inbox._descriptor._waker.close()


@pytest.mark.parametrize("refuse", [refuse_by_descriptor, refuse_by_reader], ids=["descriptor", "reader"])
def test_what_comes_later_is_not_at_hand_either(inbox, refuse):
    refuse(inbox)
    inbox.put(messages("a", "b"))
    assert inbox.take_now().text == "a"
    assert take_at_hand(inbox) is None
    if inbox.has_descriptor:
        inbox._descriptor._waker.close()


class ScriptedPuller:
    """Brings one read after the other."""

    is_free = True

    def __init__(self, inbox, *reads):
        self.inbox = inbox
        self.reads = list(reads)

    def pull(self, operation, deadline):
        if not self.reads:
            return BUSY
        self.inbox.put(self.reads.pop(0))
        return LOOK


def test_what_a_call_has_pulled_besides_is_at_hand_for_the_next(inbox):
    inbox.puller = ScriptedPuller(inbox, messages("a", "b"))
    assert inbox.take(FOREVER).text == "a"
    assert take_at_hand(inbox) == "b"


def test_nothing_is_at_hand_while_a_call_looks_what_it_may_take(inbox):
    """Else another one could take the message that receive_text() has looked at, and leave it a binary one."""
    inbox.puller = ScriptedPuller(inbox, messages("a", b"b"))
    seen = []
    assert inbox.take(FOREVER, lambda: seen.append(take_at_hand(inbox))).text == "a"
    assert seen == [None, None]
    assert take_at_hand(inbox) == b"b"


def test_nothing_is_at_hand_once_fileno_is_asked_for_in_the_midst_of_another_call(inbox):
    """Else the descriptor would be readable for nothing, and a loop over select go on and on."""
    inbox.puller = ScriptedPuller(inbox, messages("a", "b", "c"))
    inbox._lock = Lock(inbox._lock, lambda: inbox.take(FOREVER))
    select_on = inbox.fileno()
    assert take_at_hand(inbox) is None
    assert [inbox.take_now().text for _ in range(2)] == ["b", "c"]
    assert not select.select([select_on], [], [], 0)[0]
    inbox._descriptor._waker.close()


class Lock:
    """A lock before which another thread has its turn, once."""

    def __init__(self, lock, turn):
        self.lock = lock
        self.turns = [turn]

    def __enter__(self):
        if self.turns:
            self.turns.pop()()
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


def test_one_that_another_call_takes_a_moment_later_is_given_out_once(inbox):
    pull(inbox, "a", "bb", "ccc")
    late = inbox.at_hand.messages
    assert inbox.size == 6
    assert late.popleft().text == "a"
    assert inbox.take(FOREVER).text == "bb"
    assert late.popleft().text == "ccc"
    assert inbox.take_now() is None
    inbox.put(messages("d"))
    assert [item.text for item in inbox.take_all(bool)] == ["d"]
    assert inbox.size == 0


def test_a_wait_goes_on_when_the_last_one_was_taken_by_another_call(inbox):
    """Between the look whether something waits and the taking, in every place."""
    pull(inbox, "a")
    late = inbox.at_hand.messages
    inbox.puller = ScriptedPuller(inbox, messages("b"))
    checks = []

    def check():
        checks.append(None)
        if len(checks) == 1:
            late.popleft()

    assert inbox.take(FOREVER, check).text == "b"


@pytest.mark.parametrize("seed", range(5))
def test_what_waits_is_told_right_however_it_was_taken(inbox, seed):
    chance = random.Random(seed)
    waiting = []
    for _ in range(300):
        if chance.random() < 0.4 and len(waiting) < 20:
            new = [chance.choice(["é" * 5, b"x" * 7, ""]) for _ in range(chance.randrange(4))]
            inbox.put(messages(*new))
            waiting += new
        elif waiting and chance.random() < 0.5 and inbox.at_hand.messages:
            assert take_at_hand(inbox) == waiting.pop(0)
        elif waiting:
            assert content_of(inbox.take_now()) == waiting.pop(0)
        if chance.random() < 0.3:
            assert inbox.size == sum(len(item.encode() if isinstance(item, str) else item) for item in waiting)
        assert not inbox.is_full


def test_what_cannot_but_fit_is_weighed_when_somebody_asks(inbox, monkeypatch):
    weighed = []
    monkeypatch.setattr(module, "_weight", lambda item: weighed.append(item) or item._length)
    pull(inbox, *"abcdefgh")
    while take_at_hand(inbox) is not None and inbox.take_now() is not None:
        pass
    assert not weighed
    pull(inbox, "a", "b")
    assert inbox.size == 2
    assert len(weighed) == 2


def test_a_read_that_may_not_fit_is_weighed_and_fills_the_inbox(inbox, rooms):
    inbox.put(messages(bytes(CAPACITY - 1), b"xx"))
    assert inbox.is_full
    assert take_at_hand(inbox) is None
    inbox.take_now()
    assert not inbox.is_full
    assert rooms.count == 1
    assert take_at_hand(inbox) is None
    assert inbox.take_now().payload == b"xx"


def test_more_that_comes_behind_what_was_not_weighed_fills_the_inbox_as_ever(inbox):
    pull(inbox, b"x" * 1000, b"x" * 100)
    take_at_hand(inbox)
    inbox.put(messages(bytes(CAPACITY - 101)))
    assert not inbox.is_full
    inbox.put(messages(b"x"))
    assert inbox.is_full


def test_as_many_as_may_wait_fill_it_however_small_they_are(inbox):
    inbox.put(messages(*[b""] * module.MAX_WAITING_MESSAGES))
    assert inbox.is_full


def test_what_is_cleared_leaves_nothing_to_count(inbox):
    pull(inbox, "a", "b")
    take_at_hand(inbox)
    inbox.end(keep=False)
    assert (inbox.size, take_at_hand(inbox)) == (0, None)


def test_two_threads_never_get_the_same_one(rooms):
    inbox = MessageInbox(1 << 20, rooms)
    inbox.is_pulled = True
    pull(inbox, *map(str, range(900)))
    taken = []

    def take():
        while (content := take_at_hand(inbox)) is not None:
            taken.append(int(content))

    calls = [Call(take) for _ in range(2)]
    for call in calls:
        call.end()
    assert sorted(taken) == list(range(900))


def test_all_that_waits_is_taken_with_what_lies_in_the_socket(inbox):
    inbox.puller = ScriptedPuller(inbox, messages("b", "c"), messages("d"))
    inbox.put(messages("a"))
    assert [item.text for item in inbox.take_all(bool)] == ["a", "b", "c", "d"]
