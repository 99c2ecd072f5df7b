"""Several threads with one connection at the same time: a test for each rule of docs/threads-and-handlers.md."""

import itertools
import sys
import threading

import pytest
from support import LIMIT, echo, handshake, read_frame, running_server, server_frame, wait
from support.calls import Call
from support.doubles import messages_of
from support.scripts import BINARY, CONTINUATION, FIN, PONG, TEXT, connected, only_reads, read_until_close, sends
from support.stream_websocket import waiting  # noqa: F401 - a fixture

from syncws import (
    CloseCause,
    HResult,
    InvalidOperationError,
    MessageWebSocket,
    ObjectClosedError,
    SocketMessageType,
    StreamWebSocket,
)

SENDERS = 8
EACH = 25


def recording(frames, answered=None):
    """Return a script that pings in between, notes all frames and answers the Close; `answered` is set at a Pong."""

    def script(connection):
        handshake(connection)
        for number in itertools.count():
            frames.append(read_frame(connection))
            if answered is not None and frames[-1][0] == FIN | PONG:
                answered.set()
            if frames[-1][0] & 0x0F == 8:
                connection.sendall(server_frame(8, frames[-1][1]))
                return
            if number % 10 == 0:
                connection.sendall(server_frame(9, b"%d" % number))

    return script


def at_once(*functions):
    """Run functions on a thread each, all at the same time; return what they return."""
    start = threading.Barrier(len(functions))
    calls = [Call(lambda function=function: (start.wait(LIMIT), function())[1]) for function in functions]
    return [call.result() for call in calls]


def payload_of(sender, number):
    return b"%d %d " % (sender, number) + bytes([sender]) * (200_000 if number % 5 == 0 else 100)


def assert_whole(frames):
    """See to it that each message came whole, and each sender's in order."""
    messages = [payload for _, payload in messages_of(frames)]
    assert sorted(messages) == sorted(payload_of(sender, number) for sender in range(SENDERS) for number in range(EACH))
    for sender in range(SENDERS):
        own = [payload for payload in messages if payload.startswith(b"%d " % sender)]
        assert own == [payload_of(sender, number) for number in range(EACH)]


def test_messages_of_any_number_of_senders_never_interleave(tls):
    frames = []
    answered = threading.Event()

    def send(sender):
        for number in range(EACH):
            socket.send(payload_of(sender, number))
            # However busy the machine is, the reader gets to answer a ping while there is more to be sent.
            if number == EACH // 2:
                wait(answered)

    with connected(recording(frames, answered), tls=tls) as socket:
        at_once(*(lambda sender=sender: send(sender) for sender in range(SENDERS)))
        socket.close()
    assert_whole(frames)


def test_large_writes_of_several_threads_to_a_stream_never_interleave(tls):
    # They go out in fragments, between which the writer role is given back.
    frames = []
    with connected(recording(frames), socket_class=StreamWebSocket, tls=tls) as socket:
        at_once(
            *(
                lambda sender=sender: [socket.output_stream.write(payload_of(sender, n)) for n in range(EACH)]
                for sender in range(SENDERS)
            )
        )
        socket.close()
    assert any(first & 0x0F == CONTINUATION for first, _ in frames)
    assert_whole(frames)


def test_writes_through_both_ways_of_sending_never_interleave(tls):
    frames = []
    with connected(recording(frames), tls=tls) as socket:
        socket.control.message_type = SocketMessageType.BINARY
        at_once(
            *(
                lambda sender=sender: [
                    (socket.send if (number + sender) % 2 else socket.output_stream.write)(payload_of(sender, number))
                    for number in range(EACH)
                ]
                for sender in range(SENDERS)
            )
        )
        socket.close()
    assert_whole(frames)


RECEIVES = {
    "receive": lambda socket: socket.receive(None),
    "receive_args": lambda socket: socket.receive_args(None),
    "iteration": lambda socket: next(iter(socket)),
}
READS = {
    "read": lambda socket: socket.input_stream.read(bytearray(1), 1),
    "a file's read": lambda socket: socket.input_stream.as_file().read(1),
    "a file's readline": lambda socket: socket.input_stream.as_file().readline(),
}


@pytest.mark.parametrize("second", RECEIVES.values(), ids=RECEIVES.keys())
@pytest.mark.parametrize("first", RECEIVES.values(), ids=RECEIVES.keys())
def test_a_second_thread_that_receives_is_refused_and_takes_nothing(first, second, tls, waiting):  # noqa: F811
    go = threading.Event()
    with connected(sends(server_frame(TEXT, b"one"), after=go), tls=tls) as socket:
        assert_second_is_refused(socket, first, second, waiting, go)


@pytest.mark.parametrize("second", READS.values(), ids=READS.keys())
@pytest.mark.parametrize("first", READS.values(), ids=READS.keys())
def test_a_second_thread_that_reads_a_stream_is_refused_and_takes_nothing(first, second, tls, waiting):  # noqa: F811
    go = threading.Event()
    script = sends(server_frame(BINARY, b"\n"), after=go)
    with connected(script, socket_class=StreamWebSocket, tls=tls) as socket:
        assert_second_is_refused(socket, first, second, waiting, go)


def assert_second_is_refused(socket, first, second, is_waiting, go):
    call = Call(first, socket)
    # Not when it begins: a stream's read looks for what lies there first, and the second might come in between.
    wait(is_waiting)
    with pytest.raises(InvalidOperationError, match="one at a time") as raised:
        second(socket)
    assert raised.value.hresult == HResult.ERROR_INVALID_OPERATION
    go.set()
    assert call.result()


def test_readers_may_take_turns(tls):
    frames = [server_frame(TEXT, b"%d" % number) for number in range(40)]
    turn = threading.Lock()
    given = []

    def receive():
        for _ in range(10):
            with turn:
                given.append(socket.receive(LIMIT))

    with connected(sends(*frames), tls=tls) as socket:
        at_once(*[receive] * 4)
    assert given == [str(number) for number in range(40)]


def test_whoever_keeps_the_frames_of_a_receive_that_is_over_refuses_no_other_one(tls):
    # A profiler does, and a traceback that is kept.
    with connected(echo, run=running_server, tls=tls) as socket:
        receiver = Call(socket.receive, LIMIT)
        kept = []
        while not kept or kept[0].f_code.co_name not in ("acquire_within", "wait"):
            kept[:] = [frame for ident, frame in sys._current_frames().items() if ident == receiver.ident]
        for text in ("one", "two", "three"):
            socket.send(text)
        assert receiver.result() == "one"
        assert socket.receive(LIMIT) == "two"
        assert next(iter(socket)) == "three"
        kept.clear()


def test_one_thread_may_receive_while_others_send(tls):
    with connected(echo, run=running_server, tls=tls) as socket:
        receiving = Call(lambda: [socket.receive(LIMIT) for _ in range(SENDERS * EACH)])
        at_once(
            *(
                lambda sender=sender: [socket.send(f"{sender} {number}") for number in range(EACH)]
                for sender in range(SENDERS)
            )
        )
        assert sorted(receiving.result()) == sorted(f"{s} {n}" for s in range(SENDERS) for n in range(EACH))


def test_handlers_may_be_added_and_removed_at_any_time_and_no_message_is_lost(tls):
    count = 400
    frames = [server_frame(TEXT, b"%d" % number) for number in range(count)]
    texts = []
    whole = threading.Event()

    def lasting(_, args):
        texts.append(args.get_data_reader().read_string(args.length))
        if len(texts) == count:
            whole.set()

    with connected(sends(*frames), lambda socket: socket.add_message_received(lasting), tls=tls) as socket:

        def change():
            while not whole.is_set():
                token = socket.add_message_received(lambda *_: None)
                socket.closed += lasting
                socket.closed -= lasting
                socket.remove_message_received(token)

        at_once(change, change, lambda: wait(whole))
    assert texts == [str(number) for number in range(count)]


def test_a_handler_may_take_itself_away_and_add_another(tls):
    texts = []
    done = threading.Event()

    def first(sender, args):
        texts.append(("first", args.get_data_reader().read_string(args.length)))
        sender.message_received -= first
        sender.message_received += second

    def second(sender, args):
        texts.append(("second", args.get_data_reader().read_string(args.length)))
        done.set()

    frames = [server_frame(TEXT, text) for text in (b"one", b"two")]
    with connected(sends(*frames), lambda socket: socket.add_message_received(first), tls=tls):
        wait(done)
    assert texts == [("first", "one"), ("second", "two")]


def test_information_may_be_read_and_message_type_set_from_anywhere_at_any_time(tls):
    stop = threading.Event()

    def look(socket):
        while not stop.is_set():
            information = socket.information
            assert information.bytes_sent >= 0
            assert information.bytes_pending_out >= 0
            assert information.close_cause in (CloseCause.NONE, CloseCause.LOCAL)
            repr(information), repr(socket)

    def change(socket):
        while not stop.is_set():
            socket.control.message_type = SocketMessageType.BINARY
            socket.control.message_type = SocketMessageType.UTF8

    with connected(echo, run=running_server, tls=tls) as socket:
        calls = [Call(look, socket), Call(look, socket), Call(change, socket)]
        for number in range(15):
            socket.send(f"{number}")
            assert socket.receive(LIMIT) == f"{number}"
        socket.close()
        stop.set()
        for call in calls:
            call.result()


CLOSERS = {
    "close": lambda socket: socket.close(),
    "abort": lambda socket: socket.abort(),
    "leaving the block": lambda socket: socket.__exit__(None, None, None),
}


@pytest.mark.parametrize("close", CLOSERS.values(), ids=CLOSERS.keys())
def test_closing_from_anywhere_ends_every_use_on_other_threads(close, tls):
    sent = threading.Semaphore(0)

    def send_for_ever():
        while True:
            socket.send(bytes(1000))
            sent.release()

    with connected(only_reads, tls=tls, close_timeout=0.2) as socket:
        calls = [Call(send_for_ever), Call(send_for_ever), Call(socket.receive, None), Call(socket.wait_closed)]
        for _ in range(10):
            assert sent.acquire(timeout=LIMIT)
        at_once(*[lambda: close(socket)] * 3)
        for call in calls[:3]:
            with pytest.raises(OSError, match="HRESULT"):
                call.result()
        assert calls[3].result() is True


@pytest.mark.parametrize("close", CLOSERS.values(), ids=CLOSERS.keys())
def test_closing_inside_a_handler_does_not_wait_for_itself(close, tls):
    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"close"))
        read_until_close(connection)

    with connected(
        script, lambda socket: socket.add_message_received(lambda sender, _: close(sender)), tls=tls
    ) as socket:
        assert socket.wait_closed(LIMIT)
        assert socket.information.handler_failures == 0
        with pytest.raises(ObjectClosedError):
            socket.send("late")


def test_a_socket_connects_once_however_many_threads_ask():
    with running_server(echo) as uri, MessageWebSocket() as socket:
        results = []

        def connect():
            try:
                socket.connect(uri)
                results.append("connected")
            except RuntimeError as exc:
                results.append(exc.hresult)

        at_once(*[connect] * 5)
        assert sorted(map(str, results)) == sorted(map(str, ["connected", *[int(HResult.E_ILLEGAL_METHOD_CALL)] * 4]))
        socket.send("one connection")
        assert socket.receive(LIMIT) == "one connection"
