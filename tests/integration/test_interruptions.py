"""What an interruption at a bad moment must not do, and other ways of leaving a connection in the middle."""

import copy
import gc
import itertools
import pickle
import threading
import warnings

import pytest
from support import LIMIT, echo, handshake, read_frame, read_to_end, running_server, scripted_server, server_frame, wait
from support.fakes import interrupt_at
from support.scripts import connected, sends

import syncws
from syncws import (
    DataReader,
    DataWriter,
    InputStreamOptions,
    InvalidArgumentError,
    MessageWebSocket,
    OperationTimedOutError,
    StreamWebSocket,
    WebSocketError,
)
from syncws._connection import closing
from syncws._connection.receiving import reader as reader_module
from syncws._net.tls import transport as tls

TEXT, CLOSE = 1, 8


def test_a_close_that_was_interrupted_leaves_no_reader(monkeypatch):
    ended = threading.Event()

    def script(connection):
        handshake(connection)
        read_to_end(connection)
        ended.set()

    with scripted_server(script) as uri:
        socket = MessageWebSocket()
        socket.control.close_timeout = 0.05
        socket.connect(uri)
        session = socket._session

        def interrupt(_):
            raise KeyboardInterrupt

        monkeypatch.setattr(type(session.outbox), "post_close", lambda self, frame, why: interrupt(frame))
        with pytest.raises(KeyboardInterrupt):
            socket.close()
        wait(ended)
        assert session.wait_closed(reader_module.FOREVER)


class SignalError(Exception):
    """What a signal handler raises."""


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, SignalError])
@pytest.mark.parametrize("end", [MessageWebSocket.close, MessageWebSocket.abort])
def test_an_end_that_was_interrupted_anywhere_comes_all_the_same(end, error):
    for number in itertools.count():
        # As long as it waits for the answer to a Close frame that was never sent.
        with connected(sends(), close_timeout=0.05) as socket:
            if not interrupt_at(number, end, socket, error=error):
                break
            if socket._session.closing.is_discarding:
                # It had begun.
                assert socket.wait_closed(LIMIT)
            socket.close()
            assert socket.wait_closed(LIMIT)
            assert socket._session.transport._socket.fileno() == -1
    assert number > 50


def test_what_a_signal_handler_raises_while_close_waits_comes_out_of_it(monkeypatch):
    with connected(sends()) as socket:

        def handle(_):
            raise SignalError

        monkeypatch.setattr(reader_module.Reader, "fetch", handle)
        with pytest.raises(SignalError):
            socket.close()
        assert socket.wait_closed(LIMIT)


def test_a_connect_that_was_interrupted_as_it_began_leaves_the_socket_new(monkeypatch):
    begun = []

    def interrupt(self):
        begun.append(socket._link.connect)
        raise KeyboardInterrupt

    socket = MessageWebSocket()
    with running_server(echo) as uri:
        with monkeypatch.context() as patch:
            patch.setattr(type(socket.control), "_freeze", interrupt)
            with pytest.raises(KeyboardInterrupt):
                socket.connect(uri)
        # Its descriptor is given back.
        assert begun[0].waker.fileno() == -1
        with socket:
            socket.connect(uri)
            socket.send("again")
            assert socket.receive(LIMIT) == "again"


def test_a_connect_that_is_refused_leaves_the_one_before_alone():
    with running_server(echo) as uri, MessageWebSocket() as socket:
        socket.connect(uri)
        with pytest.raises(syncws.IllegalMethodCallError):
            socket.connect(uri)
        socket.send("still here")
        assert socket.receive(LIMIT) == "still here"


def test_a_socket_that_was_dropped_while_closing_is_abandoned_without_a_warning():
    ended = threading.Event()

    def script(connection):
        handshake(connection)
        read_to_end(connection)
        ended.set()

    with scripted_server(script) as uri:
        socket = MessageWebSocket()
        socket.connect(uri)
        socket._session.closing.is_discarding = True
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del socket
            gc.collect()
        wait(ended)


def test_what_came_before_the_first_handler_goes_to_it_while_the_connection_is_closing(monkeypatch):
    monkeypatch.setattr(closing, "LINGER_SECONDS", LIMIT)
    answered, go_on, received = threading.Event(), threading.Event(), threading.Event()

    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"greeting") + server_frame(CLOSE, b"\x03\xe8"))
        assert read_frame(connection)[0] == 0x88
        answered.set()
        wait(go_on)

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        texts = []
        socket.connect(uri)
        wait(answered)

        def handler(_, args):
            texts.append(args.get_data_reader().read_string(args.length))
            received.set()

        socket.message_received += handler
        wait(received)
        go_on.set()
        assert socket.wait_closed(LIMIT)
        assert texts == ["greeting"]


def test_after_the_end_receive_gives_what_no_handler_got():
    def script(connection):
        handshake(connection, behind=server_frame(TEXT, b"greeting") + server_frame(CLOSE, b"\x03\xe8"))
        read_frame(connection)

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        socket.connect(uri)
        assert socket.wait_closed(LIMIT)
        socket.message_received += print
        assert socket.receive() == "greeting"


class EndlessRecord:
    """A transport that brings one byte of a long TLS record at a time, for ever."""

    has_unsent = has_buffered = False

    def __init__(self):
        self.received = 0

    def keep(self, kept, _):
        self.received += 1
        kept.append(b"\x16\x03\x03\x40\x00"[self.received - 1 : self.received] or b"\0")
        return True


def test_tls_that_brings_no_data_gives_the_reader_back_its_deadline(client_tls):
    inner = EndlessRecord()
    transport = tls.TlsTransport(inner, client_tls, "localhost")
    assert transport.receive(100) is None
    assert inner.received <= 16


def test_answers_that_tls_cannot_get_rid_of_end_the_connection(client_tls, monkeypatch):
    monkeypatch.setattr(tls, "_MAX_ANSWER_BYTES", 10)
    transport = tls.TlsTransport(EndlessRecord(), client_tls, "localhost")
    with pytest.raises(ConnectionAbortedError, match="does not read"):
        transport.receive(100)


def test_a_tls_handshake_that_only_ever_receives_ends_with_the_deadline(server_tls):
    # Not TLS at all, byte after byte: the client has always something to read.
    stop = threading.Event()

    def script(connection):
        connection.sendall(b"\x16\x03\x03\x3f\xff")
        while not stop.is_set():
            connection.sendall(b"\0")
            stop.wait(0.001)

    with scripted_server(script) as uri, MessageWebSocket() as socket:
        with pytest.raises((OperationTimedOutError, WebSocketError)):
            socket.connect(uri.replace("ws:", "wss:"), timeout=0.3)
        stop.set()


@pytest.mark.parametrize("action", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_socket_and_what_ends_its_waits_are_not_copied_or_pickled(action):
    """multiprocessing pickles what a new process is given, and would fail in that, or by naming a lock."""
    source = syncws.CancellationTokenSource()
    reconnecting = (syncws.ReconnectingWebSocket("ws://localhost:1/"), syncws.reconnecting("ws://localhost:1/"))
    information = (MessageWebSocket().information, syncws.StreamWebSocket().information)
    for kept in (MessageWebSocket(), *information, *reconnecting, source, source.token):
        with pytest.raises(TypeError, match=f"a {type(kept).__name__} cannot be copied or pickled"):
            action(kept)


@pytest.mark.parametrize("action", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_belongs_to_a_socket_is_not_copied_or_pickled(action):
    """A copied writer would share its parts with the first, and close its stream when it is dropped."""
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.send("hello")
        args = socket.receive_args(LIMIT)
        for kept in (DataWriter(), args, args.get_data_reader(), args.get_data_stream(), socket.output_stream):
            with pytest.raises(TypeError, match=f"a {type(kept).__name__} cannot be copied or pickled"):
                action(kept)


@pytest.mark.parametrize("name", ["receive_json", "receive_all_waiting"])
def test_what_was_taken_by_a_call_that_is_interrupted_waits_again(name):
    lost = []
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        for number in itertools.count():
            for content in ("1", "2", "3"):
                socket.send(content)
            # So that all of them wait; the call may read more.
            socket._session.inbox.put_back([socket.receive_args(LIMIT) for _ in range(3)])
            was_interrupted = interrupt_at(number, getattr(socket, name))
            socket.send("end")
            rest = list(iter(socket.receive, "end"))
            if not was_interrupted:
                break
            if rest != ["1", "2", "3"]:
                # In the taking of the first alone, which cannot be guarded.
                assert rest == ["2", "3"], number
                lost.append(number)
    assert len(lost) <= 2, lost
    assert number > 20


@pytest.mark.parametrize("count", [4, 20], ids=["at-hand", "by-a-look"])
def test_a_load_that_is_interrupted_anywhere_keeps_what_it_took_from_the_socket(count):
    content = b"0123456789"
    with running_server(echo) as uri, StreamWebSocket() as socket:
        socket.connect(uri)
        file, reader = socket.input_stream.as_file(), DataReader(socket.input_stream)
        reader.input_stream_options = InputStreamOptions.PARTIAL
        for number in itertools.count():
            socket.output_stream.write(content)
            # So that all of it waits; the load reads nothing from the system.
            socket._session.inbox.put_back(file.read(len(content)))
            was_interrupted = interrupt_at(number, reader.load, count)
            kept = reader.read_bytes(reader.unconsumed_buffer_length)
            assert kept + file.read(socket._session.inbox.size) == content, number
            if not was_interrupted:
                break
        assert kept == content[:count]
        assert number > 5
        reader.detach_stream()


@pytest.mark.parametrize("way", ["read", "read1", "readline", "readinto", "readinto1"])
def test_a_read_of_a_file_that_is_interrupted_anywhere_has_taken_nothing_from_the_socket(way):
    content = b"012345678\n"
    with running_server(echo) as uri, StreamWebSocket() as socket:
        socket.connect(uri)
        file = socket.input_stream.as_file()
        argument = bytearray(len(content)) if way.startswith("readinto") else len(content)
        for number in itertools.count():
            socket.output_stream.write(content)
            # So that all of it waits; the read reads nothing from the system.
            socket._session.inbox.put_back(file.read(len(content)))
            if not interrupt_at(number, getattr(file, way), argument):
                break
            assert file.read(socket._session.inbox.size) == content, number
        assert socket._session.inbox.size == 0
        assert number > 5


def test_a_released_memoryview_is_refused_as_an_argument():
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(InvalidArgumentError, match="released"):
        MessageWebSocket().send(view)


@pytest.mark.parametrize("host", [".", ".localhost", "a..localhost", "a" * 64 + ".localhost", "a." * 127 + "bb"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_host_name_that_is_none_is_refused_before_any_io(scheme, host):
    with pytest.raises(InvalidArgumentError, match="1 to 63 characters"):
        MessageWebSocket().connect(f"{scheme}://{host}:1/")
