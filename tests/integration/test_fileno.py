"""fileno(): what select, selectors and event loops may wait on."""

import asyncio
import gc
import os
import select
import selectors
import threading

import pytest
from support import LIMIT, handshake, scripted_server, server_frame, wait
from support.calls import Call
from support.fakes import interrupt_at
from support.programs import assert_quiet, run
from support.scripts import BINARY, TEXT, connected, read_until_close, sends, sends_and_closes, sends_and_ends

import syncws
from syncws import (
    ConnectionClosedError,
    IllegalMethodCallError,
    MessageWebSocket,
    OperationTimedOutError,
    StreamWebSocket,
)
from syncws._connection.receiving.message_inbox import MessageInbox
from syncws._waiting.deadline import FOREVER
from syncws._wire.incoming import Message

SOCKETS = pytest.mark.parametrize("socket_class", [MessageWebSocket, StreamWebSocket])


def is_ready(socket, seconds=0.0):
    return bool(select.select([socket], [], [], seconds)[0])


def text(content):
    return server_frame(TEXT, content.encode())


def test_it_is_readable_while_a_message_waits_and_no_longer():
    go = threading.Event()
    with connected(sends(text(""), text("b"), after=go)) as socket:
        assert not is_ready(socket)
        go.set()
        assert is_ready(socket, LIMIT)
        assert socket.receive() == ""
        assert is_ready(socket, LIMIT)
        assert socket.receive() == "b"
        assert not is_ready(socket)
        with pytest.raises(OperationTimedOutError):
            socket.receive(0)


def test_it_is_made_with_what_waits_already():
    with connected(sends(text("a"), text("b"))) as socket:
        assert socket.receive() == "a"
        while not socket._session.inbox.has_messages:
            pass
        assert is_ready(socket)
        assert socket.receive_all_waiting() == ["b"]
        assert not is_ready(socket)


def test_of_a_stream_it_is_readable_while_bytes_wait():
    go = threading.Event()
    frame = server_frame(BINARY, b"abc")
    with connected(sends(frame, after=go), socket_class=StreamWebSocket) as socket:
        assert not is_ready(socket)
        go.set()
        assert is_ready(socket, LIMIT)
        buffer = bytearray(2)
        socket.input_stream.read(buffer, 2)
        assert is_ready(socket)
        socket.input_stream.read(buffer, 1)
        assert not is_ready(socket)


def test_bytes_that_a_read_puts_back_make_it_readable_again():
    frame = server_frame(BINARY, b"abc")
    with connected(sends(frame), socket_class=StreamWebSocket, receive_timeout=0.05) as socket:
        assert is_ready(socket, LIMIT)
        with pytest.raises(OperationTimedOutError):
            socket.input_stream.read(bytearray(4), 4)
        assert is_ready(socket)


@SOCKETS
@pytest.mark.parametrize("script", [sends_and_closes(), sends_and_ends()], ids=["close", "loss"])
def test_the_end_makes_it_readable_for_good(socket_class, script):
    with connected(script, socket_class=socket_class) as socket:
        assert is_ready(socket, LIMIT)
        socket.wait_closed()
        assert is_ready(socket)
        assert is_ready(socket)


@SOCKETS
def test_close_on_another_thread_ends_a_select(socket_class):
    with connected(sends(), socket_class=socket_class) as socket:
        call = Call(is_ready, socket, LIMIT)
        socket.close()
        assert call.result()


@SOCKETS
def test_it_is_there_once_the_socket_has_connected(socket_class):
    socket = socket_class()
    with pytest.raises(IllegalMethodCallError, match="connect"):
        socket.fileno()
    with connected(sends(), socket_class=socket_class) as socket:
        assert socket.fileno() == socket.fileno() >= 0
    assert socket.fileno() >= 0


def test_the_descriptor_goes_with_the_object():
    with connected(sends()) as socket:
        number = socket.fileno()
    select.select([number], [], [], 0)
    del socket
    gc.collect()
    with pytest.raises(OSError):  # noqa: PT011 - Windows has another number, of sockets alone
        select.select([number], [], [], 0)


def test_selectors_serve_many_sockets_on_one_thread():
    """The program of docs/large-data.md, or a GUI's loop."""
    came = {}

    def script(number):
        return sends_and_closes(*(text(f"{number} {message}") for message in range(20)))

    with (
        selectors.DefaultSelector() as selector,
        scripted_server(script(0)) as first,
        scripted_server(script(1)) as second,
        syncws.connect(first) as one,
        syncws.connect(second) as two,
    ):
        for socket in (one, two):
            selector.register(socket, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(LIMIT):
                try:
                    came.setdefault(key.fileobj, []).extend(key.fileobj.receive_all_waiting())
                except ConnectionClosedError:
                    selector.unregister(key.fileobj)
    assert [came[one], came[two]] == [[f"{number} {message}" for message in range(20)] for number in (0, 1)]


def test_an_event_loop_of_asyncio_may_watch_it():
    async def gather():
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        messages = []

        def readable():
            try:
                messages.extend(socket.receive_all_waiting())
            except ConnectionClosedError:
                loop.remove_reader(socket)
                done.set_result(messages)

        loop.add_reader(socket, readable)
        return await asyncio.wait_for(done, LIMIT)

    with (
        connected(sends_and_closes(text("a"), text("b"))) as socket,
        asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner,
    ):
        assert runner.run(gather()) == ["a", "b"]


def test_with_handlers_only_the_end_makes_it_readable():
    came = threading.Event()
    go = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(text("a"))
        wait(go)
        read_until_close(connection)

    with connected(script, lambda socket: socket.add_message_received(lambda *_: came.set())) as socket:
        socket.fileno()
        wait(came)
        assert not is_ready(socket)
        go.set()
        socket.close()
        assert is_ready(socket)


def test_wherever_an_interruption_comes_a_message_that_waits_is_shown():
    """Interrupts the taking of the only message in each of its places."""
    for place in range(1000):
        inbox = MessageInbox(1000, lambda: None)
        number = inbox.fileno()
        message = Message()
        message._payload, message._text, message._length, message._error = b"a", None, 1, None
        inbox.put([message])
        taken = []
        is_interrupted = interrupt_at(place, lambda inbox=inbox, taken=taken: taken.append(inbox.take(FOREVER)))
        if inbox.has_messages:
            assert select.select([number], [], [], 0)[0], place
        if not is_interrupted:
            assert taken == [message]
            assert not select.select([number], [], [], 0)[0]
            return
    raise AssertionError("the call has no end")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_in_a_forked_child_there_is_none_and_the_parents_stays():
    with scripted_server(sends(text("a"))) as uri:
        done = run(
            """
            warnings.simplefilter("ignore", DeprecationWarning)
            import select
            with syncws.connect(uri) as socket:
                number = socket.fileno()
                pid = os.fork()
                if not pid:
                    signal.alarm(20)
                    try:
                        socket.fileno()
                    except ConnectionLostError as error:
                        os._exit(0 if "parent process" in str(error) else 2)
                    os._exit(1)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
                assert select.select([number], [], [], 20)[0]
                assert socket.receive() == "a"
            """,
            uri,
        )
    assert_quiet(done)
