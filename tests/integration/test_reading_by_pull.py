"""Who reads by pull reads itself: without a thread, and with all that a reader thread sees to."""

import threading

import pytest
from support import LIMIT, echo, handshake, read_frame, read_to_end, running_server, server_frame, wait
from support.calls import Call
from support.scripts import BINARY, PING, PONG, TEXT, close_frame, connected, read_until_close, sends

import syncws
from syncws import MessageWebSocket, StreamWebSocket


def readers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("syncws-reader")]


@pytest.mark.parametrize("receive", [lambda socket: socket.receive(LIMIT), lambda socket: next(iter(socket))])
def test_an_exchange_needs_no_thread(receive, tls):
    with connected(echo, run=running_server, tls=tls) as socket:
        assert readers() == []
        for number in range(100):
            socket.send(str(number))
            assert receive(socket) == str(number)
        # Almost all: on a busy machine the monitor may find one answer before this thread does.
        assert socket._session.role.pulls > 80


def test_a_stream_that_is_read_needs_no_thread(tls):
    with connected(echo, run=running_server, socket_class=StreamWebSocket, tls=tls) as socket:
        file = socket.input_stream.as_file()
        reader = syncws.DataReader(socket.input_stream)
        for _ in range(50):
            socket.output_stream.write(b"abcdefgh\n")
            assert reader.load(4) == 4
            assert reader.read_bytes(4) == b"abcd"
            assert file.readline() == b"efgh\n"
        assert socket._session.role.pulls > 40


def test_a_ping_is_answered_within_a_second_when_nobody_pulls_and_the_thread_goes_again(tls):
    answered = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"one"))
        read_frame(connection)
        connection.sendall(server_frame(PING, b"?"))
        # The socket's own time limit is what the test is about.
        connection.settimeout(1.0 if not tls[0] else 2.0)
        assert read_frame(connection) == (0x8A, b"?")
        answered.set()
        connection.settimeout(LIMIT)
        read_until_close(connection)

    with connected(script, tls=tls) as socket:
        assert socket.receive(LIMIT) == "one"
        socket.send("go on")
        wait(answered)
        for thread in readers():
            thread.join(LIMIT)
        assert readers() == []


def test_idle_connections_need_no_thread_each_and_are_closed_all_the_same(tls):
    closed = threading.Semaphore(0)

    def serve(connection):
        wait(go_on)
        connection.close(1012)

    go_on = threading.Event()
    with running_server(serve, ssl_context=tls[0]) as uri:
        sockets = []
        for _ in range(20):
            socket = syncws.MessageWebSocket()
            socket.control.ssl_context = tls[1]
            socket.closed += lambda *_: closed.release()
            socket.connect(uri)
            sockets.append(socket)
        assert readers() == []
        go_on.set()
        for _ in sockets:
            assert closed.acquire(timeout=LIMIT)


def test_a_caller_takes_over_from_the_thread_that_a_ping_has_started(tls):
    with connected(echo, run=running_server, tls=tls) as socket:
        assert socket.ping(timeout=LIMIT) > 0
        socket.send("one")
        assert socket.receive(LIMIT) == "one"
        for thread in readers():
            thread.join(LIMIT)
        assert readers() == []


def test_two_threads_ping_and_wait_while_a_third_receives(tls):
    with connected(echo, run=running_server, tls=tls) as socket:
        ending = Call(socket.wait_closed, LIMIT)
        pinging = Call(lambda: [socket.ping(timeout=LIMIT) for _ in range(20)])
        for number in range(50):
            socket.send(str(number))
            assert socket.receive(LIMIT) == str(number)
        assert len(pinging.result()) == 20
        socket.close()
        assert ending.result()


def test_messages_reach_handlers_that_come_and_go_between_receives_once_and_in_order(tls):
    total = 300

    def script(connection):
        handshake(connection)
        for number in range(total):
            connection.sendall(server_frame(BINARY, b"%d" % number))
        read_to_end(connection)

    given = []
    with connected(script, tls=tls) as socket:
        enough = threading.Condition()

        def handler(_, args):
            with enough:
                given.append(int(args.get_data_reader().read_bytes(args.length)))
                enough.notify_all()

        while len(given) < total:
            try:
                given.append(int(socket.receive(LIMIT)))
            except syncws.IllegalMethodCallError:
                continue
            if len(given) % 7 == 0 and len(given) < total - 10:
                before = len(given)
                socket.message_received += handler
                with enough:
                    assert enough.wait_for(lambda before=before: len(given) > before, LIMIT)
                socket.message_received -= handler
                # The handler that is under way ends first.
                while socket._session.delivery.ticket:
                    pass
        assert given == list(range(total))
        socket.abort()


@pytest.mark.parametrize("end", [MessageWebSocket.close, MessageWebSocket.abort])
def test_a_handler_of_closed_is_called_on_a_reader_thread_where_only_the_program_reads(end):
    names = []
    with connected(sends()) as socket:
        socket.closed += lambda *_: names.append(threading.current_thread().name[:13])
        end(socket)
        assert socket.wait_closed(LIMIT)
    assert names == ["syncws-reader"]


@pytest.mark.parametrize("name", ["ping_received", "pong_received"])
def test_a_handler_of_pings_that_comes_during_a_receive_is_called_on_a_reader_thread(name):
    added, called = threading.Event(), threading.Event()
    names = []

    def script(connection):
        handshake(connection)
        wait(added)
        connection.sendall(server_frame(PING if name == "ping_received" else PONG, b"?"))
        wait(called)
        connection.sendall(server_frame(TEXT, b"one"))
        read_until_close(connection)

    def note(_, args):
        names.append((args.payload, threading.current_thread().name[:13]))
        called.set()

    with connected(script) as socket:
        call = Call(socket.receive, LIMIT)
        while not socket._session.inbox.is_being_taken:
            pass
        event = getattr(socket, name)
        event += note
        setattr(socket, name, event)
        added.set()
        assert call.result() == "one"
    assert names == [(b"?", "syncws-reader")]


def test_receive_all_waiting_takes_all_that_has_come_in_however_many_reads():
    count = 500

    def script(connection):
        handshake(connection)
        # Larger than what one read takes.
        connection.sendall(server_frame(BINARY, bytes(200)) * count)
        read_until_close(connection)

    with connected(script) as socket:
        came = []
        while len(came) < count:
            came += socket.receive_all_waiting()
        assert came == [bytes(200)] * count
        assert socket.receive_all_waiting() == []


def test_the_end_of_a_connection_that_nobody_reads_shows_soon():
    closed = threading.Event()

    def script(connection):
        handshake(connection)
        connection.sendall(close_frame(1001))
        read_frame(connection)

    def prepare(socket):
        socket.closed += lambda *_: closed.set()

    with connected(script, prepare) as socket:
        wait(closed)
        assert not socket.is_open
        assert socket.information.close_code == 1001
