"""A signal handler that closes, looks or sends in the middle of the same thread's own call: nothing hangs.

The handler is called by a profile function at every place where a signal can come; the locks that the interrupted code
holds are then held.
"""

import contextlib
import signal
import threading
from functools import partial
from itertools import count

import pytest
from support import LIMIT, handshake, join, read_request, read_to_end, scripted_server, server_frame, wait
from support.calls import Call
from support.fakes import ScriptedTransport, call_at, interrupt_at
from support.scripts import BINARY, connected, noting, read_until_close, sends

import syncws
from syncws import HResult, InputStream, InvalidOperationError, MessageWebSocket, StreamWebSocket, WebSocketError
from syncws._connection.receiving.byte_inbox import ByteInbox
from syncws._connection.receiving.message_inbox import MessageInbox
from syncws._connection.sending.outbox import Outbox
from syncws._streams.operation import Operation
from syncws._waiting.deadline import Deadline
from syncws._wire.incoming import Message
from syncws.errors import ConnectionLostError, ObjectClosedError, OperationCanceledError, OperationTimedOutError


def at_every_place(make, handle, use):
    """Call `use` of what `make` makes, with `handle` one place later each time; return the number of places."""

    def handled(number):
        made = make()
        with contextlib.suppress(WebSocketError):
            return call_at(number, lambda: handle(made), lambda: use(made))
        return True

    return next(number for number in count() if not handled(number))


def within_limit(function):
    """Run on a thread that must end."""
    thread = threading.Thread(target=function, name="within-limit", daemon=True)
    thread.start()
    join(thread)


def suppressed(function, *arguments):
    with contextlib.suppress(WebSocketError):
        function(*arguments)


def message(data):
    made = Message()
    made._payload, made._text, made._length, made._error = data, None, len(data), None
    return made


@pytest.mark.parametrize("end", [lambda inbox: inbox.end(keep=False), lambda inbox: inbox.drop()], ids=["end", "drop"])
def test_a_stream_s_inbox_may_be_ended_anywhere_in_a_read(end):
    lines = []

    def make():
        inbox = ByteInbox(4, lambda: None)
        inbox.put(b"abcd")
        inbox.put(bytes(20000))
        return inbox

    def read(inbox):
        inbox.begin(Operation(), Deadline(LIMIT))
        inbox.advance(len(inbox.peek(3)))
        inbox.advance(len(inbox.peek(3)))
        inbox.put_back(b"d")
        inbox.advance(len(inbox.peek(30000)))
        inbox.advance(len(inbox.peek(30000)))

    within_limit(lambda: lines.append(at_every_place(make, end, read)))
    assert lines[0] > 10


def test_an_inbox_of_messages_may_be_ended_anywhere_in_a_receive():
    lines = []

    def make():
        inbox = MessageInbox(4, lambda: None)
        inbox.put([message(b"abcd"), message(b"efgh")])
        return inbox

    def receive(inbox):
        while inbox.take(Deadline(LIMIT)) is not None:
            pass

    def last_receive(inbox):
        receive(inbox) if inbox.is_ended else [inbox.take(Deadline(LIMIT)) for _ in range(2)]

    within_limit(lambda: lines.append(at_every_place(make, lambda inbox: inbox.end(keep=False), last_receive)))
    assert lines[0] > 5


def test_sending_may_be_shut_anywhere_in_a_send():
    lines = []
    transports = []

    def make():
        transports.append(ScriptedTransport())
        transports[-1].takes.extend([2, 1])
        return Outbox(transports[-1], lambda: None)

    def shut(outbox):
        outbox.post_close(b"<close>")
        outbox.shut(ObjectClosedError("over"))

    within_limit(lambda: lines.append(at_every_place(make, shut, lambda outbox: outbox.send(b"frame"))))
    for transport in transports:
        transport.release()
    assert lines[0] > 5


# An interruption while the send makes what it waits with leaves that to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize(
    "error",
    [
        InvalidOperationError,
        OperationTimedOutError,
        OperationCanceledError,
        ObjectClosedError,
        OSError,
        KeyboardInterrupt,
    ],
)
def test_what_a_signal_handler_raises_in_a_send_never_tears_a_frame(error):
    def send(outbox, frame):
        with contextlib.suppress(error, ConnectionLostError):
            outbox.send(frame)

    def is_interrupted_at(number):
        transport = ScriptedTransport()
        # A part of the frame goes, then the send waits, and goes on with another part.
        transport.takes.extend([2, 0, 1])
        outbox = Outbox(transport, lambda: None)
        is_interrupted = interrupt_at(number, send, outbox, b"<frame>", error=error("from a signal handler"))
        send(outbox, b"<next>")
        outbox.retire(transport.release)
        endings.append((outbox.is_broken, bytes(transport.sent)))
        return is_interrupted

    endings = []
    within_limit(lambda: next(number for number in count() if not is_interrupted_at(number)))
    assert len(endings) > 10
    assert {sent for is_broken, sent in endings if not is_broken} == {b"<frame><next>", b"<next>"}


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("error", [OSError, TimeoutError, ConnectionResetError, ValueError])
def test_what_a_signal_handler_raises_in_a_send_is_what_the_sender_gets_or_the_cause_of_it(error):
    def is_interrupted_at(number):
        transport = ScriptedTransport()
        transport.takes.extend([2, 0, 1])
        outbox = Outbox(transport, lambda: None)
        own = error("from a signal handler")
        ended = []

        def send():
            try:
                outbox.send(b"<frame>")
            except (OSError, ValueError) as exc:
                ended.append(exc)

        is_interrupted = interrupt_at(number, send, error=own)
        outbox.retire(transport.release)
        # In the socket call itself it cannot be told from the socket's.
        assert [exc if exc is own else exc.__cause__.__cause__ for exc in ended] == [own][: len(ended)], number
        given.extend(ended)
        # It may have come after all that could be told.
        return is_interrupted

    given = []
    within_limit(lambda: next(number for number in count() if not is_interrupted_at(number)))
    assert len(given) > 10


class TooLongError(TimeoutError):
    """What a program's alarm raises."""


def silent_after_the_hello(connection):
    connection.recv(1)


def silent_after_a_refusal(connection):
    read_request(connection)
    connection.sendall(b"HTTP/1.1 503 Later\r\nContent-Length: 9\r\n\r\n")


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals for a thread")
@pytest.mark.parametrize(
    ("scheme", "begin"),
    [("ws", read_request), ("wss", silent_after_the_hello), ("ws", silent_after_a_refusal)],
    ids=["request", "TLS", "refusal"],
)
def test_what_an_alarm_raises_in_a_connect_is_what_the_caller_gets(scheme, begin):
    def script(connection):
        begin(connection)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        read_to_end(connection)

    def alarm(*_):
        raise TooLongError("from the program's alarm")

    former = signal.signal(signal.SIGUSR1, alarm)
    try:
        with scripted_server(script) as uri, pytest.raises(TooLongError, match="from the program's alarm"):
            syncws.connect(uri.replace("ws:", f"{scheme}:"), timeout=LIMIT)
    finally:
        signal.signal(signal.SIGUSR1, former)


@pytest.mark.parametrize("end", [lambda socket: socket.close(), lambda socket: socket.abort()], ids=["close", "abort"])
def test_a_signal_handler_may_close_in_the_middle_of_a_read(tls, end):
    with connected(sends(server_frame(BINARY, b"abc")), socket_class=StreamWebSocket, tls=tls) as socket:

        def use():
            socket.input_stream.read(bytearray(3), 3)
            socket.information.bytes_pending_out  # noqa: B018 - looks under the TLS lock

        within_limit(lambda: suppressed(call_at, 20, lambda: end(socket), use))
        assert socket.wait_closed(LIMIT)


@pytest.mark.parametrize("line", range(0, 30, 2))
def test_a_signal_handler_may_close_in_the_middle_of_a_send(tls, line):
    with connected(noting([]), socket_class=MessageWebSocket, tls=tls) as socket:
        socket.control.close_timeout  # noqa: B018 - there is one
        within_limit(lambda: suppressed(call_at, line, socket.abort, socket.send, b"hello"))
        socket.abort()
        assert socket.wait_closed(LIMIT)


def test_a_read_in_a_signal_handler_does_not_go_into_the_middle_of_another():
    refused = []

    def nest(stream):
        try:
            stream.read(bytearray(1), 1)
        except InvalidOperationError as exc:
            refused.append(exc.hresult)

    number = 0
    while True:
        stream = InputStream(SourceOfAnInbox(b"abc", b"defg"))
        target = bytearray(7)
        read = partial(stream.read, target, 7)
        if not call_at(number, partial(nest, stream), read):
            break
        # Either the other one came before or after it, or it was refused; nothing is mixed up.
        assert bytes(target) in (b"abcdefg", b"bcdefg\0"), number
        number += 1
    assert len(refused) > 5
    assert set(refused) == {HResult.ERROR_INVALID_OPERATION}


class SourceOfAnInbox(ByteInbox):
    """A source of an InputStream that has everything there, and then ends."""

    def __init__(self, *pieces):
        super().__init__(1 << 20, lambda: None)
        for piece in pieces:
            self.put(piece)
        self.end(keep=True)

    def begin(self, operation):
        super().begin(operation, Deadline(LIMIT))


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals for a thread")
def test_a_close_in_the_middle_of_this_thread_s_send_begins_and_does_not_wait_for_it(tls):
    closed = threading.Event()
    frames = []

    def script(connection):
        handshake(connection)
        wait(closed)
        frames.extend(read_until_close(connection))

    def close(*_):
        socket.close(1000, "enough")
        closed.set()

    def interrupt():
        while socket._session.outbox._writer._waker is None:
            pass
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    former = signal.signal(signal.SIGUSR1, close)
    try:
        with connected(script, tls=tls, close_timeout=LIMIT) as socket:
            interrupting = Call(interrupt)
            socket.send(bytes(1 << 24))
            interrupting.result()
            assert socket.wait_closed(LIMIT)
            assert socket.information.close_code == 1000
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert [len(payload) for _, payload in frames] == [1 << 24, 2 + len("enough")]
