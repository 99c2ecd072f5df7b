"""Receiving by pull beside the plain call: typed, as JSON, all that waits, in a loop, with a token."""

import asyncio
import contextlib
import json
import sys
import threading
import types

import pytest
from support import LIMIT, handshake, running_server, scripted_server, server_frame, wait
from support.calls import Call
from support.scripts import BINARY, TEXT, close_frame, connected, read_until_close, sends, sends_and_closes

import syncws
from syncws import (
    CancellationTokenSource,
    ConnectionClosedError,
    DataReader,
    IllegalMethodCallError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    InvalidOperationError,
    MessageWebSocketReceiveMode,
    OperationCanceledError,
    OperationTimedOutError,
    StreamWebSocket,
)
from syncws._connection import json_messages
from syncws._connection.receiving.message_inbox import MessageInbox
from syncws._streams.operation import Operation


def text(content):
    return server_frame(TEXT, content.encode() if isinstance(content, str) else content)


def binary(content):
    return server_frame(BINARY, content)


@pytest.fixture
def unsought():
    """Have orjson not been looked for, before the test and after it."""
    json_messages._library.cache_clear()
    yield
    json_messages._library.cache_clear()


@pytest.fixture(params=["json", "orjson"])
def library(request, monkeypatch, unsought):
    """Have JSON read and written by either library; for orjson stands a small one that keeps to its ways."""
    if request.param == "json":
        monkeypatch.setitem(sys.modules, "orjson", None)
        return "json"

    def dumps(value):
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            raise TypeError("Dict key must be str")
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    monkeypatch.setitem(sys.modules, "orjson", types.SimpleNamespace(dumps=dumps, loads=json.loads))
    return "orjson"


# Typed.


def test_receive_text_and_receive_bytes_return_what_they_say():
    with connected(sends(text("a"), binary(b"b"), text("ü"))) as socket:
        assert (socket.receive_text(), socket.receive_bytes(), socket.receive_bytes()) == ("a", b"b", "ü".encode())


def with_a_token(socket):
    with CancellationTokenSource() as source:
        return socket.receive(cancellation_token=source.token)


@pytest.mark.parametrize(
    ("receive", "expected"),
    [
        (lambda socket: socket.receive_text(), "2"),
        (lambda socket: socket.receive_bytes(), b"2"),
        (lambda socket: socket.receive_args().text, "2"),
        (lambda socket: socket.receive_json(), 2),
        (with_a_token, "2"),
        (lambda socket: next(socket.messages(LIMIT, cancellation_token=CancellationTokenSource().token)), "2"),
    ],
    ids=["text", "bytes", "args", "json", "a token", "messages with a token"],
)
def test_what_came_with_the_last_message_is_taken_without_a_look_at_the_session(monkeypatch, receive, expected):
    with connected(sends(text("1") + text("2"))) as socket:
        assert socket.receive() == "1"
        monkeypatch.setattr(type(socket._session), "receive", None)
        assert receive(socket) == expected
        monkeypatch.undo()


def test_a_canceled_token_refuses_what_is_at_hand():
    with connected(sends(text("1") + text("2"))) as socket, CancellationTokenSource() as source:
        assert socket.receive() == "1"
        source.cancel()
        with pytest.raises(OperationCanceledError):
            socket.receive(cancellation_token=source.token)
        assert socket.receive() == "2"


def test_a_binary_message_stays_when_text_is_wanted():
    with connected(sends(binary(b"b"), text("a"))) as socket:
        for _ in range(2):
            with pytest.raises(IllegalMethodCallError, match="binary"):
                socket.receive_text()
        assert (socket.receive(), socket.receive_text()) == (b"b", "a")


# JSON.


def test_json_goes_there_and_comes_back(library):
    value = {"a": [1, None, "ü"], "b": {"c": 1.5}}
    with running_server(lambda connection: connection.send(connection.recv())) as uri, syncws.connect(uri) as socket:
        socket.send_json(value)
        assert socket.receive_json() == value


@pytest.mark.usefixtures("unsought")
def test_orjson_is_looked_for_once(monkeypatch):
    searched = []

    class Finder:
        def find_spec(self, name, path=None, target=None):
            searched.append(name)

    monkeypatch.delitem(sys.modules, "orjson", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with connected(sends(text("1"), text("2"))) as socket:
        assert [socket.receive_json(), socket.receive_json()] == [1, 2]
    assert searched.count("orjson") == 1


def test_json_goes_as_text_without_spaces(library):
    seen = []
    with (
        running_server(lambda connection: (seen.append(connection.recv()), connection.send("x"))) as uri,
        syncws.connect(uri) as socket,
    ):
        socket.send_json({1: ["ü", 2]})
        socket.receive()
    assert seen == ['{"1":["ü",2]}']


@pytest.mark.parametrize(
    ("content", "value"),
    [(text('{"a": 1}'), {"a": 1}), (binary(b"[1, 2]"), [1, 2]), (text("null"), None), (text('"\\u00fc"'), "ü")],
)
def test_json_is_read_from_text_and_from_bytes(library, content, value):
    with connected(sends(content)) as socket:
        assert socket.receive_json() == value


@pytest.mark.parametrize(
    "content",
    [text("{"), text(""), binary(b"\xff"), binary('"x"'.encode("utf-16")), text("[" * 200_000), text("9" * 5000)],
    ids=["half", "empty", "no UTF-8", "UTF-16", "deep", "more digits than Python reads"],
)
def test_what_is_no_json_is_a_value_error_and_the_next_message_comes(library, content):
    with connected(sends(content, text("1"))) as socket:
        with pytest.raises(json.JSONDecodeError):
            socket.receive_json()
        assert socket.receive_json() == 1


def test_what_has_no_json_is_refused_before_anything_is_sent(library):
    endless = []
    endless.append(endless)
    with connected(sends()) as socket:
        with pytest.raises(InvalidArgumentTypeError, match="cannot be written as JSON"):
            socket.send_json({"a": object()})
        if library == "json":
            for value in (float("nan"), endless):
                with pytest.raises(InvalidArgumentError, match="cannot be written as JSON"):
                    socket.send_json(value)


def test_pieces_are_no_json():
    with connected(sends(text("1")), receive_mode=MessageWebSocketReceiveMode.PARTIAL_MESSAGE) as socket:
        with pytest.raises(IllegalMethodCallError, match="PARTIAL_MESSAGE"):
            socket.receive_json()
        assert socket.receive() == "1"


# All that waits.


def all_within_limit(socket, count):
    """Ask until so many have come."""
    found = []
    for _ in range(1000):
        found += socket.receive_all_waiting()
        if len(found) >= count:
            break
        threading.Event().wait(0.01)
    return found


def test_all_that_waits_is_returned_in_order_and_nothing_is_an_empty_list():
    go = threading.Event()
    with connected(sends(text("a"), binary(b"b"), text("c"), after=go)) as socket:
        assert socket.receive_all_waiting() == []
        go.set()
        assert all_within_limit(socket, 3) == ["a", b"b", "c"]
        assert socket.receive_all_waiting() == []


def test_what_came_before_the_close_is_returned_and_then_the_end_is_told():
    with connected(sends_and_closes(text("a"))) as socket:
        socket.wait_closed()
        assert socket.receive_all_waiting() == ["a"]
        with pytest.raises(ConnectionClosedError):
            socket.receive_all_waiting()


def test_a_full_inbox_that_is_emptied_at_once_lets_the_reader_go_on(paused):
    messages = [binary(bytes([number]) * 100) for number in range(4)]
    with connected(sends(*messages), inbox_size_in_bytes=200) as socket:
        wait(paused)
        assert len(all_within_limit(socket, 4)) == 4


def test_all_that_waits_is_for_one_thread_and_for_sockets_without_handlers():
    with connected(sends()) as socket:
        call = Call(socket.receive)
        while not socket._session.inbox.is_being_taken:
            pass
        with pytest.raises(InvalidOperationError):
            socket.receive_all_waiting()
        socket.close()
        with pytest.raises(ConnectionClosedError):
            call.result()
    with connected(sends()) as socket:
        socket.message_received += print
        with pytest.raises(IllegalMethodCallError, match="handlers"):
            socket.receive_all_waiting()


@pytest.mark.parametrize("is_refused_by_handler", [True, False], ids=["a handler", "another receive"])
def test_what_it_has_taken_is_returned_when_the_rest_is_anothers(monkeypatch, is_refused_by_handler):
    """Between its two steps a handler may be added, or another thread begin to receive."""
    present, others = MessageInbox.take_all, []

    def take_all(inbox, check):
        others.append(Operation())
        if is_refused_by_handler:
            socket.message_received += print
        else:
            inbox._begin(others[0], "busy")
        return present(inbox, check)

    with connected(sends(text("a"))) as socket:
        monkeypatch.setattr(MessageInbox, "take_all", take_all)
        assert all_within_limit(socket, 1) == ["a"]
        others[0].is_over = True


# Iteration with a time limit.


def test_an_iteration_with_a_time_limit_goes_on_after_it():
    go = threading.Event()
    with connected(sends(text("a"), after=go)) as socket:
        messages = socket.messages(timeout=0.01)
        with pytest.raises(OperationTimedOutError):
            next(messages)
        go.set()
        assert next(socket.messages(LIMIT)) == "a"
        with pytest.raises(OperationTimedOutError):
            next(messages)
        with pytest.raises(InvalidArgumentError):
            socket.messages(-1)


def test_an_iteration_ends_with_the_connection():
    with connected(sends_and_closes(text("a"), text("b"))) as socket:
        assert list(socket.messages()) == ["a", "b"]


# With a token.


CALLS = {
    "receive": lambda socket, token: socket.receive(None, cancellation_token=token),
    "receive_args": lambda socket, token: socket.receive_args(None, cancellation_token=token).text,
    "receive_text": lambda socket, token: socket.receive_text(None, cancellation_token=token),
    "receive_bytes": lambda socket, token: socket.receive_bytes(None, cancellation_token=token).decode(),
    "receive_json": lambda socket, token: str(socket.receive_json(None, cancellation_token=token)),
    "messages": lambda socket, token: next(socket.messages(None, cancellation_token=token)),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_token_ends_a_receive_and_loses_nothing(name, tls):
    go = threading.Event()
    with connected(sends(text("1"), after=go), tls=tls) as socket, CancellationTokenSource() as source:
        call = Call(CALLS[name], socket, source.token)
        while not socket._session.inbox.is_being_taken:
            pass
        source.cancel()
        with pytest.raises(OperationCanceledError) as caught:
            call.result()
        assert caught.value.hresult & 0xFFFFFFFF == 0x800704C7
        go.set()
        assert CALLS[name](socket, CancellationTokenSource().token) == "1"


def test_a_token_ends_a_receive_while_another_thread_reads():
    def heard(_, args):
        """Have a thread read, for the pings."""

    with connected(sends(), lambda socket: socket.add_ping_received(heard)) as socket:
        source = CancellationTokenSource()
        call = Call(socket.receive, None, cancellation_token=source.token)
        while not socket._session.inbox.is_waited_for:
            pass
        source.cancel()
        with pytest.raises(OperationCanceledError):
            call.result()


def test_a_token_that_is_cancelled_before_takes_no_message():
    source = CancellationTokenSource()
    source.cancel()
    with connected(sends(text("1"))) as socket:
        for _ in range(2):
            with pytest.raises(OperationCanceledError):
                socket.receive(cancellation_token=source.token)
        assert socket.receive() == "1"
        assert not source.token._listeners


def test_the_time_of_a_token_ends_a_receive_and_the_sooner_of_two_limits_counts():
    with connected(sends()) as socket:
        with CancellationTokenSource() as source:
            source.cancel_after(0.01)
            with pytest.raises(OperationCanceledError):
                socket.receive(None, cancellation_token=source.token)
        with CancellationTokenSource() as source:
            source.cancel_after(1000)
            with pytest.raises(OperationTimedOutError):
                socket.receive(0.01, cancellation_token=source.token)
            assert not source.token._listeners


def test_a_token_whose_time_is_changed_during_the_wait_ends_it_then():
    # Without keep-alive, whose pings have a wait look again.
    with connected(sends(), keep_alive_interval=0) as socket, CancellationTokenSource() as source:
        source.cancel_after(1000)
        call = Call(socket.receive, None, cancellation_token=source.token)
        while not socket._session.inbox.is_being_taken:
            pass  # Until the time of before is what it waits by.
        source.cancel_after(0.01)
        with pytest.raises(OperationCanceledError):
            call.result()


def test_a_token_whose_time_is_changed_during_the_wait_lets_a_message_come():
    go = threading.Event()
    with connected(sends(text("1"), after=go)) as socket, CancellationTokenSource() as source:
        source.cancel_after(1000)
        call = Call(socket.receive, None, cancellation_token=source.token)
        while not socket._session.inbox.is_being_taken:
            pass
        source.cancel_after(2000)
        go.set()
        assert call.result() == "1"


def test_something_else_than_a_token_is_refused():
    with connected(sends()) as socket:
        for call in (socket.receive, socket.messages):
            with pytest.raises(InvalidArgumentTypeError, match="cancellation_token"):
                call(cancellation_token=7)
    stream = StreamWebSocket().input_stream
    with pytest.raises(InvalidArgumentTypeError, match="give its token"):
        stream.read(bytearray(1), 1, cancellation_token=CancellationTokenSource())
    with DataReader(stream) as reader:
        with pytest.raises(InvalidArgumentTypeError, match="cancellation_token"):
            reader.load(1, cancellation_token=7)
        reader.detach_stream()


# Streams.


def read(socket, token):
    buffer = bytearray(3)
    socket.input_stream.read(buffer, 3, cancellation_token=token)
    return bytes(buffer)


def load(socket, token):
    with DataReader(socket.input_stream) as reader:
        try:
            reader.load(3, cancellation_token=token)
        except OperationCanceledError:
            # What came is loaded, as after a time limit.
            assert reader.read_bytes(reader.unconsumed_buffer_length) == b"ab"
            raise
        finally:
            reader.detach_stream()
        return reader.read_bytes(3)


@pytest.mark.parametrize(("call", "rest"), [(read, b"abc"), (load, b"cde")])
def test_a_token_ends_a_read_of_a_stream_and_loses_no_byte(call, rest):
    go = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(binary(b"ab"))
        wait(go)
        connection.sendall(binary(b"cde"))
        read_until_close(connection)

    with connected(script, socket_class=StreamWebSocket) as socket, CancellationTokenSource() as source:
        outcome = Call(call, socket, source.token)
        while socket._session.inbox.position < 2:
            pass
        source.cancel()
        with pytest.raises(OperationCanceledError) as caught:
            outcome.result()
        assert caught.value.hresult & 0xFFFFFFFF == 0x800704C7
        assert not source.token._listeners
        go.set()
        assert call(socket, CancellationTokenSource().token) == rest


def test_the_time_of_a_token_ends_a_read():
    with connected(sends(), socket_class=StreamWebSocket) as socket, CancellationTokenSource() as source:
        source.cancel_after(0.01)
        with pytest.raises(OperationCanceledError):
            read(socket, source.token)


# Beside asyncio: the pattern of docs/beside-others.md.


async def receive(socket):
    source = CancellationTokenSource()
    call = asyncio.ensure_future(asyncio.to_thread(socket.receive, None, cancellation_token=source.token))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        source.cancel()
        with contextlib.suppress(OperationCanceledError):
            return await call
        raise


def test_beside_asyncio_a_time_limit_loses_no_message():
    count = 200

    def script(connection):
        handshake(connection)
        for number in range(count):
            connection.sendall(text(str(number)))
            threading.Event().wait(0.002)
        connection.sendall(close_frame(1000))
        read_until_close(connection)

    async def gather():
        messages, timeouts = [], 0
        while True:
            try:
                messages.append(await asyncio.wait_for(receive(socket), 0.001))
            except TimeoutError:
                timeouts += 1
            except ConnectionClosedError:
                return messages, timeouts

    with scripted_server(script) as uri, syncws.connect(uri) as socket:
        messages, timeouts = asyncio.run(gather())
    assert messages == [str(number) for number in range(count)]
    assert timeouts
