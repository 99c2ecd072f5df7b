"""Connections in subinterpreters, each in a process of its own: an error that says what to do, and never an abort."""

import importlib.util
import threading

import pytest
from support import LIMIT, echo, running_server, scripted_server
from support.programs import assert_quiet, run
from support.scripts import sends_and_ends


def is_there(name):
    return importlib.util.find_spec(name) is not None


# Python has had no public way to make one before 3.14.
makes_interpreters = pytest.mark.skipif(
    not (is_there("_xxsubinterpreters") or is_there("_interpreters")), reason="this Python makes no subinterpreters"
)
# What mod_wsgi and programs that embed Python do: Py_NewInterpreter, Py_EndInterpreter.
embeds_interpreters = pytest.mark.skipif(not is_there("_testcapi"), reason="this Python has no _testcapi")

MAKE = """
try:
    import _interpreters as interpreters
    make = lambda is_isolated: interpreters.create("isolated" if is_isolated else "legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    make = lambda is_isolated: interpreters.create(isolated=is_isolated)

def run(interpreter, script):
    head = f"import sys; sys.path[:] = {sys.path!r}; import syncws; uri = {uri!r}\\n"
    failure = interpreters.run_string(interpreter, head + script)
    assert failure is None, failure
"""

EMBED = """
import _testcapi

def run(script):
    head = f"import sys; sys.path[:] = {sys.path!r}; import syncws, threading; uri = {uri!r}\\n"
    assert _testcapi.run_in_subinterp(head + script) == 0
"""


@makes_interpreters
def test_an_isolated_one_is_told_before_anything_is_sent_what_to_do_instead():
    script = """
interpreter = make(True)
run(interpreter, '''
try:
    syncws.connect(uri)
except syncws.CannotConnectError as error:
    assert error.hresult == syncws.HResult.WININET_E_CANNOT_CONNECT
    print(error)
''')
interpreters.destroy(interpreter)
"""
    # Nothing listens there, which would be another error.
    done = run(MAKE + script, "ws://127.0.0.1:1/")
    assert_quiet(done)
    assert "allows no daemon threads" in done.stdout
    assert "Connect in the main interpreter, or run the client in a process of its own" in done.stdout


@makes_interpreters
def test_one_can_be_destroyed_as_soon_as_close_returns():
    script = """
for _ in range(5):
    interpreter = make(False)
    run(interpreter, '''
with syncws.connect(uri, timeout=10) as first, syncws.connect(uri, timeout=10) as second:
    for socket in (first, second, first):
        socket.send("x")
        assert socket.receive(10) == "x"
''')
    interpreters.destroy(interpreter)
with syncws.connect(uri, timeout=10) as socket:
    socket.send("the main one goes on")
    print(socket.receive(10))
"""
    with running_server(echo) as uri:
        done = run(MAKE + script, uri)
    assert_quiet(done)
    assert done.stdout == "the main one goes on\n"


@makes_interpreters
def test_one_can_be_destroyed_as_soon_as_wait_closed_returns():
    script = """
interpreter = make(False)
run(interpreter, '''
socket = syncws.connect(uri, timeout=10)
socket.send("end")
assert socket.wait_closed(10)
''')
interpreters.destroy(interpreter)
"""
    with running_server(lambda connection: connection.recv()) as uri:
        done = run(MAKE + script, uri)
    assert_quiet(done)


LEFT = {
    "an idle connection": "socket = syncws.connect(uri, timeout=10)",
    "three": "sockets = [syncws.connect(uri, timeout=10) for _ in range(3)]",
    "one that nobody holds": """
import warnings
warnings.simplefilter("ignore")
syncws.connect(uri, timeout=10)
""",
    "handlers": """
socket = syncws.MessageWebSocket()
socket.message_received += lambda *_: None
socket.closed += lambda *_: None
socket.connect(uri)
""",
    "a handler that was slow": """
import syncws._connection.receiving.delivery as delivery
delivery._PATIENCE_SECONDS = delivery._LOOK_SECONDS = 0.0
go_on = threading.Event()
socket = syncws.MessageWebSocket()
socket.message_received += lambda *_: go_on.wait(30)
socket.connect(uri)
socket.send("x")
while socket._session.dispatcher_thread is None:
    pass
go_on.set()
""",
}


@embeds_interpreters
@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT.keys())
def test_one_that_ends_closes_its_connections_and_waits_for_their_threads(left):
    codes = []

    def serve(connection):
        echo(connection)
        codes.append(connection.close_code)

    with running_server(serve) as uri:
        done = run(f"{EMBED}\nfor _ in range(3):\n    run({left!r})\nprint('alive')", uri)
    assert_quiet(done)
    assert done.stdout == "alive\n"
    assert set(codes) == {1001}


@embeds_interpreters
def test_one_that_ends_waits_no_second_for_a_server_that_does_not_answer():
    left = threading.Event()
    with scripted_server(sends_and_ends(after=left)) as uri:
        try:
            done = run(f"{EMBED}\nrun('socket = syncws.connect(uri, timeout=10)')\nprint('alive')", uri)
        finally:
            left.set()
    assert_quiet(done)
    assert done.stdout == "alive\n"
    assert done.seconds < LIMIT / 3


@embeds_interpreters
def test_tls_works_and_what_cannot_be_loaded_there_is_named(server_tls, authority_file):
    script = """
import cryptography.x509
run('''
with syncws.connect(uri, timeout=10) as socket:
    socket.send("x")
    assert socket.receive(10) == "x"
    try:
        print(socket.information.server_certificate.issuer)
    except syncws.WebSocketError as error:
        assert "which cannot be loaded here" in str(error), error
''')
"""
    with running_server(echo, ssl_context=server_tls) as uri:
        done = run(EMBED + script, uri, authority=authority_file)
    assert_quiet(done)
