"""What makes the objects of a handler cheap, where it is compiled: memory used again, methods of their own class."""

import contextlib
import gc

import pytest
from support.wire import frame

from syncws._wire import accelerated
from syncws._wire.frames import BINARY, TEXT
from syncws._wire.incoming import Message
from syncws.event_args import MessageWebSocketMessageReceivedEventArgs as Args

speedups = accelerated.speedups
pytestmark = pytest.mark.skipif(speedups is None, reason="in plain Python")


def made_of(class_, payload, opcode=BINARY):
    events = []
    speedups.scan(frame(opcode, payload), 0, 65535, class_, events)
    return events.pop()


# Memory that is used again.


class Named(Args):
    __slots__ = ()


def test_a_message_whose_memory_is_used_again_has_nothing_of_the_last_one():
    for turn in range(3):
        kept = [made_of(Args, b"%d %d" % (turn, index), TEXT if index % 2 else BINARY) for index in range(3000)]
        assert [args.data for args in kept] == [b"%d %d" % (turn, index) for index in range(3000)]
        readers = [args.get_data_reader() for args in kept]
        assert [reader.read_bytes(1) for reader in readers] == [b"%d" % turn] * 3000
        assert not any(reader._is_closed for reader in readers)
        assert not any(gc.is_tracked(one) for one in kept + readers)


def test_messages_of_other_classes_are_not_mixed_up_with_them():
    for class_ in (Message, Named, Args, Named):
        events = []
        for _ in range(10):
            speedups.scan(frame(TEXT, b"text"), 0, 65535, class_, events)
        assert {type(event) for event in events} == {class_}
        assert {event._text for event in events} == {"text"}
        events[0].__class__ = Named if class_ is Args else class_
        del events


def test_a_class_with_fields_of_its_own_cannot_be_given_out():
    class Wide(Message):
        __slots__ = ("more",)

    class Open(Message):
        pass

    class Watched(Message):
        __slots__ = ("__weakref__",)

    class Ended(Message):
        __slots__ = ()

        def __del__(self):
            raise AssertionError

    for class_ in (Wide, Open, Watched, Ended, int, 5):
        with pytest.raises(TypeError):
            speedups.use_message(class_)


def test_a_class_of_streams_or_writers_has_no_fields_of_its_own_either():
    class WideStream(speedups.StreamFields):
        __slots__ = ("more",)

    class WideWriter(speedups.WriterFields):
        __slots__ = ("more",)

    class BegunWriter(speedups.WriterFields):
        __slots__ = ()

        def __init__(self):
            raise AssertionError

    for class_ in (WideStream, int):
        with pytest.raises(TypeError, match="fields of its own"):
            speedups.use_stream(class_)
    for class_ in (WideWriter, BegunWriter, int):
        with pytest.raises(TypeError, match="fields of its own"):
            speedups.use_writer(int, class_, None, None)


def test_giving_out_another_class_lets_go_of_what_was_kept_for_the_last():
    kept = [made_of(Args, b"x") for _ in range(50)]
    del kept
    try:
        speedups.use_message(Named)
        events = []
        speedups.scan(frame(TEXT, b"text") * 50, 0, 65535, Named, events)
        assert {type(event) for event in events} == {Named}
        assert events[0].get_data_reader().read_string(4) == "text"
        del events
    finally:
        speedups.use_message(Args)
    assert made_of(Args, b"x").data == b"x"


# What a with block calls.


def test_a_with_block_closes_the_reader_however_it_is_left():
    reader = made_of(Args, b"abc").get_data_reader()
    with reader as entered:
        assert entered is reader
    assert reader._is_closed
    reader = made_of(Args, b"abc").get_data_reader()
    with pytest.raises(KeyError), reader:
        raise KeyError
    assert reader._is_closed
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(made_of(Args, b"abc").get_data_reader())
        assert not reader._is_closed
    assert reader._is_closed


def test_its_methods_take_what_methods_take():
    reader = made_of(Args, b"abc").get_data_reader()
    for call in (
        lambda: reader.__enter__(1),
        lambda: reader.__enter__(a=1),
        lambda: reader.__exit__(1),
        lambda: reader.__exit__(kind=1),
        lambda: type(reader).__exit__(5, None, None, None),
        lambda: type(type(reader).__dict__["__exit__"])(),
        lambda: type(reader.__exit__)(),
    ):
        with pytest.raises(TypeError):
            call()
    assert not reader._is_closed
    assert reader.__enter__() is reader
    assert reader.__exit__(*(None,) * 3) is None
    assert reader._is_closed
    leave = other = made_of(Args, b"abc").get_data_reader().__exit__
    leave(None, None, None)
    assert other.__self__._is_closed


def test_a_subclass_of_the_reader_may_have_its_own():
    left = []

    class Own(type(made_of(Args, b"").get_data_reader())):
        def __exit__(self, *error):
            left.append(error)
            super().__exit__(*error)

    reader = Own(b"abc", None, 3)
    with reader as entered:
        assert entered is reader
    assert left == [(None, None, None)]
    assert reader._is_closed


def test_many_blocks_may_be_entered_at_a_time():
    readers = [made_of(Args, b"abc").get_data_reader() for _ in range(100)]
    leaves = [reader.__exit__ for reader in readers]
    for leave in leaves:
        leave(None, None, None)
    assert all(reader._is_closed for reader in readers)
