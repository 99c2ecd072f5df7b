"""A fork while a connect is under way: the child has no part of it, and the parent's goes on."""

import os
import textwrap
import threading

import pytest
from support import acceptance, black_hole, echo, read_request, running_server, scripted_server, wait
from support.forks import AGAIN, FORK
from support.programs import SILENT_RESOLVER, assert_quiet, run, started
from support.proxies import playing_both, scripted_proxy
from support.scripts import read_until_close

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


class Phase:
    """A server that holds a connect until it is told to go on."""

    def __init__(self):
        self.reached, self.go_on = threading.Event(), threading.Event()

    def http(self, connection):
        request = read_request(connection)
        self.reached.set()
        wait(self.go_on)
        connection.sendall(acceptance(request))
        read_until_close(connection)


CONNECTING = """
socket = MessageWebSocket()
errors = []

def connect():
    try:
        socket.connect(uri, timeout=30)
    except OSError as exc:
        errors.append(exc)

before = sockets()
connecting = threading.Thread(target=connect)
connecting.start()
"""

# Until the system has asked the peer: a socket is there a moment before Python knows of it, and nobody could close it.
ASKING_FOR_TCP = """
import pathlib

asked = ":{:04X} 02 ".format(int(uri.strip("/").rpartition(":")[2]))
while asked not in pathlib.Path("/proc/self/net/tcp").read_text():
    pass
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_a_connect_on_another_thread_has_failed_in_the_child_and_goes_on_in_the_parent(tls, authority_file):
    phase = Phase()
    program = (
        FORK
        + CONNECTING
        + textwrap.dedent("""
        sys.stdin.readline()

        def look():
            assert sockets() <= before, sockets()
            assert "NEW" in repr(socket)
            try:
                socket.send("a")
            except IllegalMethodCallError:
                pass
            else:
                raise AssertionError("it sent")
            socket.control.connect_timeout = 1
            socket.close()

        in_child(look)
        print("forked", flush=True)
        connecting.join()
        assert not errors, errors
        socket.close()
        """)
    )
    with scripted_server(phase.http, ssl_context=tls[0]) as uri, started(program, uri, authority_file) as next_line:
        try:
            wait(phase.reached)
            assert next_line() == "forked"
        finally:
            phase.go_on.set()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("phase", ["TCP", "a name lookup"])
def test_a_connect_that_has_no_connection_yet_leaves_the_child_no_descriptor(phase):
    program = (
        FORK
        + ("" if phase == "TCP" else f'{SILENT_RESOLVER}uri = "ws://name.example/"\n')
        + (
            CONNECTING
            if phase == "TCP"
            else CONNECTING.replace("errors =", "socket.control.resolver = SilentResolver()\nerrors =")
        )
        + (ASKING_FOR_TCP if phase == "TCP" else "assert asked.wait(30)\n")
        + textwrap.dedent("""
        def look():
            assert sockets() <= before, sockets()
            assert "NEW" in repr(socket)

        in_child(look)
        socket.close()
        connecting.join()
        assert isinstance(errors[0], OperationCanceledError), errors
        """)
    )
    with black_hole("127.0.0.1") as port:
        assert_quiet(run(program, f"ws://127.0.0.1:{port}/"))


def test_a_fork_in_a_handler_of_custom_validation_ends_the_childs_connect(server_tls, authority_file):
    program = (
        FORK
        + textwrap.dedent("""
        socket = MessageWebSocket()
        pids = []

        def handler(sender, args):
            pids.append(os.fork())

        socket.server_custom_validation_requested += handler
        try:
            socket.connect(uri)
        except ConnectionLostError as exc:
            assert pids == [0] and "parent process" in str(exc)
            assert "NEW" in repr(socket)
            os._exit(0)
        end(pids[0])
        """)
        + AGAIN
    )
    with running_server(echo, ssl_context=server_tls) as uri:
        assert_quiet(run(program, uri, authority=authority_file))


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_a_fork_in_the_middle_of_a_handshake_is_all_that_the_childs_connect_tells(method):
    program = (
        FORK
        + f"method = {method!r}"
        + textwrap.dedent("""
        import logging

        pids = []

        def fork_once(record):
            if not pids and record.getMessage().startswith(f"> {method}"):
                pids.append(os.fork())
            return False

        logger = logging.getLogger("syncws.handshake")
        logger.setLevel(logging.DEBUG)
        logger.addFilter(fork_once)
        socket = MessageWebSocket()
        socket.control.proxy = uri
        try:
            socket.connect("ws://server.example/")
        except ConnectionLostError as exc:
            assert pids == [0] and not isinstance(exc, ConnectFailedError), repr(exc)
            assert exc.close_cause is CloseCause.FORKED and not exc.is_transient
            os._exit(0)
        end(pids[0])
        """)
    )
    with scripted_proxy(playing_both([])) as proxy:
        assert_quiet(run(program, proxy))
