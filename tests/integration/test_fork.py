"""After a fork: in the child every connection is dead at once, and the parent's goes on as if nothing had happened."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest
from support import LIMIT, echo, handshake, read_frame, running_server, scripted_server, server_frame, wait
from support.forks import AGAIN, FORK
from support.programs import ROOT, assert_quiet, environment, run, started
from support.scripts import CLOSE, FIN, TEXT, noting, read_until_close

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

USES = """
def use_message_socket():
    for call in (
        lambda: socket.send("a"),
        lambda: socket.send(bytes(1 << 20)),
        lambda: socket.output_stream.write(b"a"),
        lambda: socket.send_nonfinal_frame(b"a"),
        lambda: socket.receive(None),
        lambda: socket.receive(0),
        lambda: socket.receive_args(None),
        lambda: next(iter(socket)),
    ):
        refused(call)
    end_socket()

def use_stream_socket():
    for call in (
        lambda: socket.output_stream.write(bytes(1 << 20)),
        lambda: socket.input_stream.read(bytearray(1), 1),
        lambda: socket.input_stream.as_file().readline(),
        lambda: DataReader(socket.input_stream).load(1),
    ):
        refused(call)
    end_socket()

def end_socket():
    assert socket.information.close_cause is CloseCause.FORKED
    assert socket.information.close_code == 1006
    assert socket.wait_closed() is True
    socket.closed += lambda *_: None
    with socket:
        pass
    socket.close()
    socket.abort()
    assert " CLOSED uri=" in repr(socket) and "ended=FORKED code=1006>" in repr(socket)
"""


@pytest.fixture(name="echoing")
def echoing_fixture(tls):
    with running_server(echo, ssl_context=tls[0]) as uri:
        yield uri


@pytest.mark.parametrize("kind", ["Message", "Stream"])
def test_every_use_in_the_child_is_refused_and_says_why(kind, echoing, authority_file):
    program = FORK + USES + f"socket = {kind}WebSocket()\nsocket.connect(uri)\nin_child(use_{kind.lower()}_socket)\n"
    assert_quiet(run(program + "socket.close()\n", echoing, authority=authority_file))


def test_the_parents_connection_goes_on_whatever_the_child_does(echoing, authority_file):
    program = (
        FORK
        + USES
        + textwrap.dedent("""
        socket = syncws.connect(uri)
        in_child(use_message_socket)
        in_child(lambda: socket.close())
        in_child(lambda: socket.abort())
        """)
        + AGAIN
    )
    assert_quiet(run(program, echoing, authority=authority_file))


@pytest.mark.parametrize(
    "leave", ["sys.exit()", "del socket; gc.collect(); gc.collect(); sys.exit()", "raise SystemExit(0)"]
)
def test_a_child_that_ends_as_programs_do_sends_nothing(leave, tls, authority_file):
    # No Close frame, no TLS alert, no end of TCP: the parent's next frame is the first thing that comes.
    frames = []
    program = (
        FORK
        + "socket = syncws.connect(uri)\npid = os.fork()\nif not pid:\n    signal.alarm(20)\n    "
        + leave
        + "\nend(pid)\nsocket.send('after')\nsocket.close(1000, 'parent')\n"
    )
    with scripted_server(noting(frames), ssl_context=tls[0]) as uri:
        assert_quiet(run(program, uri, authority=authority_file))
    assert frames == [(FIN | TEXT, b"after"), (FIN | CLOSE, b"\x03\xe8parent")]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_the_child_closes_its_copies_of_the_descriptors(echoing, authority_file):
    program = FORK + textwrap.dedent("""
        before = sockets()
        socket = syncws.connect(uri)

        def receive():
            try:
                socket.receive(None)
            except syncws.ConnectionClosedError:
                pass

        receiving = threading.Thread(target=receive)
        receiving.start()
        assert len(sockets() - before) >= 2, sockets()

        def look():
            assert sockets() <= before, sockets()

        in_child(look)
        assert len(sockets() - before) >= 2, sockets()
        socket.abort()
        receiving.join()
        """)
    assert_quiet(run(program, echoing, authority=authority_file))


def test_the_child_keeps_its_own_connections_alive_although_the_parent_s_monitor_does_not_run_there(
    echoing, authority_file
):
    program = (
        FORK
        + textwrap.dedent("""
        def keep_alive():
            answered = threading.Event()
            own = MessageWebSocket()
            own.add_pong_received(lambda *_: answered.set())
            own.control.keep_alive_interval = 0.05
            own.connect(uri)
            with own:
                assert answered.wait(15)

        keep_alive()
        # Its monitor runs.
        socket = syncws.connect(uri, keep_alive_interval=0.05)
        in_child(keep_alive)
        """)
        + AGAIN
    )
    assert_quiet(run(program, echoing, authority=authority_file))


def test_the_child_makes_connections_of_its_own(echoing, authority_file):
    program = (
        FORK
        + textwrap.dedent("""
        socket = syncws.connect(uri)
        unused = MessageWebSocket()

        def connect_anew():
            for own in (MessageWebSocket(), unused):
                own.connect(uri)
                with own:
                    own.send("child")
                    assert own.receive(30) == "child"

        in_child(connect_anew)
        """)
        + AGAIN
    )
    assert_quiet(run(program, echoing, authority=authority_file))


def test_the_childs_own_connection_gets_its_close_frame_when_the_child_ends(tls, authority_file):
    frames = []

    def serve(connection):
        handshake(connection)
        frames.append(read_until_close(connection))

    program = FORK + textwrap.dedent("""
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            socket = syncws.connect(uri)
            sys.exit()
        end(pid)
        """)
    with scripted_server(serve, ssl_context=tls[0]) as uri:
        assert_quiet(run(program, uri, authority=authority_file))
    assert frames == [[(FIN | CLOSE, b"\x03\xe9")]]


def test_locks_that_other_threads_held_at_the_fork_do_not_hang_the_child(echoing, authority_file):
    program = (
        FORK
        + USES
        + textwrap.dedent("""
        socket = syncws.connect(uri)
        session = socket._session
        locks = [
            socket._socket_lock, socket.closed._lock, socket._message_received_event._lock, session.closing._lock,
            session.inbox._lock, session.outbox._role, session.waker._lock,
        ]
        transport = session.transport
        while transport is not None:
            locks.append(transport.lock if hasattr(transport, "lock") else transport._lock)
            transport = getattr(transport, "inner", getattr(transport, "_bottom", None))
        held, go_on = threading.Event(), threading.Event()

        def hold():
            for lock in locks:
                lock.acquire()
            held.set()
            go_on.wait()
            for lock in reversed(locks):
                lock.release()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()

        def use():
            use_message_socket()
            socket.closed -= print
            socket.message_received += print

        try:
            in_child(use)
        finally:
            go_on.set()
        holder.join()
        """)
        + AGAIN
    )
    assert_quiet(run(program, echoing, authority=authority_file))


def test_a_thread_that_receives_at_the_fork_does_not_refuse_the_child(echoing, authority_file):
    program = (
        FORK
        + USES
        + textwrap.dedent("""
        socket = syncws.connect(uri)
        got = []
        receiver = threading.Thread(target=lambda: got.append(socket.receive(None)))
        receiver.start()
        while not socket._session.inbox.is_being_taken:
            pass
        in_child(use_message_socket)
        socket.send("for the parent")
        receiver.join()
        assert got == ["for the parent"]
        """)
        + AGAIN
    )
    assert_quiet(run(program, echoing, authority=authority_file))


def test_a_send_that_is_stuck_at_the_fork_goes_on_in_the_parent_alone(tls, authority_file):
    go_on = threading.Event()
    sizes = []

    def serve(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"hello"))
        wait(go_on)
        sizes.append(len(read_frame(connection)[1]))
        read_until_close(connection)

    program = (
        FORK
        + USES
        + textwrap.dedent("""
        socket = syncws.connect(uri)
        sender = threading.Thread(target=socket.send, args=(bytes(1 << 24),))
        sender.start()
        while socket._session.outbox._writer._waker is None:
            pass
        in_child(use_message_socket)
        print("forked", flush=True)
        sender.join()
        socket.close()
        """)
    )
    with scripted_server(serve, ssl_context=tls[0]) as uri, started(program, uri, authority_file) as next_line:
        try:
            assert next_line() == "forked"
        finally:
            go_on.set()
    assert sizes == [1 << 24]


def test_what_had_arrived_is_given_out_by_the_parent_alone(tls, authority_file):
    def serve(connection):
        handshake(connection, behind=server_frame(TEXT, b"one") + server_frame(TEXT, b"two"))
        read_until_close(connection)

    program = FORK + textwrap.dedent("""
        socket = syncws.connect(uri)
        while socket.information.bytes_buffered_in != 6:
            pass
        in_child(lambda: refused(lambda: socket.receive(30)))
        assert [socket.receive(30), socket.receive(30)] == ["one", "two"]
        socket.close()
        """)
    with scripted_server(serve, ssl_context=tls[0]) as uri:
        assert_quiet(run(program, uri, authority=authority_file))


def test_a_fork_in_a_handler_leaves_a_child_without_connection_and_the_parent_with_it(echoing, authority_file):
    program = FORK + textwrap.dedent("""
        done = threading.Event()
        socket = MessageWebSocket()
        texts = []

        def handler(sender, args):
            if not texts:
                in_child(lambda: refused(lambda: sender.send("a")))
            texts.append(args.get_data_reader().read_string(args.length))
            if len(texts) == 2:
                done.set()

        socket.message_received += handler
        socket.connect(uri)
        socket.send("one")
        socket.send("two")
        assert done.wait(30)
        assert socket.information.handler_failures == 0
        socket.close()
        """)
    assert_quiet(run(program, echoing, authority=authority_file))


def test_a_reader_that_finds_itself_in_the_child_ends_without_a_word(echoing, authority_file):
    program = FORK + textwrap.dedent("""
        pids = []
        socket = MessageWebSocket()
        socket.closed += lambda *_: print("closed", os.getpid() == parent)
        parent = os.getpid()
        forked = threading.Event()

        def handler(sender, args):
            pid = os.fork()
            if not pid:
                signal.alarm(20)
                return
            pids.append(pid)
            forked.set()

        socket.message_received += handler
        socket.connect(uri)
        socket.send("fork")
        assert forked.wait(30)
        end(pids[0])
        socket.close()
        """)
    done = run(program, echoing, authority=authority_file)
    assert_quiet(done)
    assert done.stdout == "closed True\n"


@pytest.mark.parametrize("leave", ["return", "sys.exit()", "raise ValueError"])
def test_a_dispatcher_that_finds_itself_in_the_child_ends_too(leave, echoing, authority_file):
    program = FORK + textwrap.dedent("""
        import logging
        logging.disable()
        from syncws._connection.receiving import delivery
        delivery._PATIENCE_SECONDS = delivery._LOOK_SECONDS = 0.05
        pids = []
        socket = MessageWebSocket()
        forked = threading.Event()

        def handler(sender, args):
            while not threading.current_thread().name.startswith("syncws-dispatcher"):
                pass
            pid = os.fork()
            if not pid:
                signal.alarm(20)
                LEAVE
            pids.append(pid)
            forked.set()

        socket.message_received += handler
        socket.connect(uri)
        socket.send("fork")
        assert forked.wait(30)
        end(pids[0])
        assert socket.ping() > 0
        socket.close()
        """).replace("LEAVE", leave)
    assert_quiet(run(program, echoing, authority=authority_file))


def test_a_fork_while_a_socket_is_being_made_leaves_no_connection_in_the_child(echoing, authority_file):
    program = FORK + textwrap.dedent("""
        from syncws.iwebsocket import IWebSocket
        made = IWebSocket.__init__

        def fork_half_way(self):
            made(self)
            in_child(lambda: [refused(lambda: other.send("a")) for other in sockets_before])

        sockets_before = [MessageWebSocket() for _ in range(5)]
        for socket in sockets_before:
            socket.connect(uri)
        IWebSocket.__init__ = fork_half_way
        MessageWebSocket()
        StreamWebSocket()
        for socket in sockets_before:
            socket.close()
        """)
    assert_quiet(run(program, echoing, authority=authority_file))


def test_a_fork_in_a_signal_handler_ends_the_childs_receive(echoing, authority_file):
    program = (
        FORK
        + textwrap.dedent("""
        socket = syncws.connect(uri)
        pids = []

        def fork(*_):
            pids.append(os.fork())
            if not pids[0]:
                signal.alarm(20)
            else:
                socket.send("go on")

        signal.signal(signal.SIGUSR1, fork)
        main = threading.get_ident()

        def kill():
            while sys._current_frames()[main].f_code.co_name not in ("acquire_within", "wait"):
                pass
            os.kill(os.getpid(), signal.SIGUSR1)

        threading.Thread(target=kill).start()
        try:
            message = socket.receive(30)
        except ConnectionLostError as exc:
            assert pids == [0]
            assert "parent process" in str(exc)
            os._exit(0)
        assert message == "go on"
        end(pids[0])
        """)
        + AGAIN
    )
    assert_quiet(run(program, echoing, authority=authority_file))


def test_a_fork_in_a_signal_handler_ends_the_childs_wait_for_another_sender(tls, authority_file):
    go_on = threading.Event()

    def serve(connection):
        handshake(connection)
        wait(go_on)
        assert [len(read_frame(connection)[1]) for _ in range(2)] == [1 << 24, 5]
        read_until_close(connection)

    program = FORK + textwrap.dedent("""
        socket = MessageWebSocket()
        socket.control.send_timeout = None
        socket.connect(uri)
        sender = threading.Thread(target=socket.send, args=(bytes(1 << 24),))
        sender.start()
        while socket._session.outbox._writer._waker is None:
            pass
        pids = []

        def fork(*_):
            pids.append(os.fork())
            if not pids[0]:
                signal.alarm(20)

        signal.signal(signal.SIGUSR1, fork)
        main = threading.get_ident()

        def kill():
            while sys._current_frames()[main].f_code.co_name not in ("acquire_within", "wait"):
                pass
            os.kill(os.getpid(), signal.SIGUSR1)
            while not pids:
                pass
            end(pids[0])
            print("the child is over", flush=True)

        threading.Thread(target=kill).start()
        try:
            socket.send(b"after")
        except ConnectionLostError as exc:
            assert pids == [0]
            assert "parent process" in str(exc)
            os._exit(0)
        sender.join()
        socket.close()
        """)
    with scripted_server(serve, ssl_context=tls[0]) as uri, started(program, uri, authority_file) as next_line:
        try:
            assert next_line() == "the child is over"
        finally:
            go_on.set()


MULTIPROCESSING = """
import multiprocessing, os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import syncws

def work(uri, results):
    with syncws.connect(uri) as socket:
        socket.send("child")
        results.put(socket.receive(30))

if __name__ == "__main__":
    uri, method = sys.argv[1:]
    context = multiprocessing.get_context(method)
    with syncws.connect(uri) as socket:
        results = context.Queue()
        processes = [context.Process(target=work, args=(uri, results)) for _ in range(3)]
        for process in processes:
            process.start()
        assert [results.get(timeout=30) for _ in processes] == ["child"] * 3
        for process in processes:
            process.join()
            assert process.exitcode == 0, process.exitcode
        socket.send("parent")
        assert socket.receive(30) == "parent"
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing_works_beside_an_open_connection(method, echoing, authority_file, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(MULTIPROCESSING, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), echoing, method],
        cwd=ROOT,
        env=environment(authority_file) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )
    assert_quiet(done)
