"""Programs that change Python under the library: green threads after the import, a clock that stands still."""

import subprocess
import sys
import threading
from importlib.util import find_spec

import pytest
from support import LIMIT, black_hole, echo, running_server, scripted_server
from support.programs import ROOT, assert_quiet, environment, run
from support.scripts import sends_and_ends

# Whatever belongs to threading and is reached from a module of the library, by any way but another module.
LOOK_FOR_LOCKS = """
import gc, sys, threading, types
import syncws

kinds = (type(threading.Lock()), type(threading.RLock()), threading.Thread, threading.Condition, threading.local)
kinds += (threading.Event, threading.Semaphore)
seen = set()
waiting = [
    value
    for name, module in sorted(sys.modules.items())
    if name.partition(".")[0] == "syncws"
    for value in vars(module).values()
]
left_out = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, str, bytes, int, float)
while waiting:
    value = waiting.pop()
    if isinstance(value, kinds):
        print(type(value).__name__, "held by", *{type(holder).__name__ for holder in gc.get_referrers(value)})
    if id(value) in seen or isinstance(value, left_out) or value is vars(sys.modules["builtins"]):
        continue
    seen.add(id(value))
    module = getattr(value, "__module__", None)
    if isinstance(value, (dict, list, tuple, set)) or (isinstance(module, str) and module.startswith("syncws")):
        waiting += gc.get_referents(value)
"""

ECHO = """
with syncws.connect(uri, timeout=10) as socket:
    socket.send("x")
    assert socket.receive(10) == "x"
    assert socket.ping(timeout=10) >= 0
"""


def test_the_import_makes_nothing_that_belongs_to_threading():
    done = subprocess.run(
        [sys.executable, "-c", LOOK_FOR_LOCKS],
        cwd=ROOT,
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert_quiet(done)
    assert done.stdout == ""


def test_locks_that_are_put_in_the_place_of_threading_s_after_the_import_are_the_ones_used():
    # As gevent and eventlet do it: a native lock would then stand still with the whole process.
    script = f"""
    import _thread
    native = []

    class Watched:
        def __init__(self):
            self._lock = _thread.RLock()
        def acquire(self, *args, **named):
            return self._lock.acquire(*args, **named)
        def release(self):
            self._lock.release()
        def __enter__(self):
            return self._lock.__enter__()
        def __exit__(self, *args):
            self._lock.release()

    threading.RLock = Watched
    {ECHO.replace(chr(10), chr(10) + "    ")}
    from syncws._connection.monitor import the_monitor
    assert type(the_monitor()._lock) is Watched
    """
    with running_server(echo) as uri:
        assert_quiet(run(script, uri))


@pytest.mark.parametrize(
    "begin",
    ["", "pid = os.fork()\n    if pid: sys.exit(os.waitpid(pid, 0)[1])"],
    ids=["in this process", "in a child"],
)
def test_gevent_that_is_patched_in_after_the_import(begin):
    pytest.importorskip("gevent")
    # `gunicorn --preload -k gevent`: the master imports, and maybe connects; the worker patches.
    script = f"""
    warnings.simplefilter("ignore")
    {begin and "syncws.connect(uri).close()"}
    {begin}
    from gevent import monkey
    monkey.patch_all()
    {ECHO.replace(chr(10), chr(10) + "    ")}
    """
    with running_server(echo) as uri:
        done = run(script, uri)
    assert_quiet(done)
    assert done.seconds < 10


@pytest.mark.parametrize(
    "begin",
    ["import urllib3", "syncws.connect(uri).close(); pid = os.fork()\n    if pid: sys.exit(os.waitpid(pid, 0)[1])"],
    ids=["in this process", "in a child"],
)
def test_tls_where_gevent_is_patched_in_after_urllib3(begin, server_tls, authority_file):
    pytest.importorskip("gevent")
    # An option of the class of contexts that urllib3 has got hold of cannot be set any more.
    script = f"""
    warnings.simplefilter("ignore")
    {begin}
    from gevent import monkey
    monkey.patch_all()
    from syncws._net.tls.trust import bare_context
    assert not bare_context().cert_store_stats()["x509"]
    {ECHO.replace(chr(10), chr(10) + "    ")}
    """
    with running_server(echo, ssl_context=server_tls) as uri:
        assert_quiet(run(script, uri, authority=authority_file))


def test_a_receive_of_one_greenlet_is_ended_by_another_when_gevent_came_after_the_import():
    pytest.importorskip("gevent")
    script = """
    from gevent import monkey
    warnings.simplefilter("ignore")
    monkey.patch_all()
    import gevent

    def refused(error, socket, **how):
        try:
            socket.receive(60, **how)
        except error:
            print("ended")

    with syncws.connect(uri, timeout=10) as socket:
        source = syncws.CancellationTokenSource()
        receiving = gevent.spawn(
            refused, syncws.OperationCanceledError, socket, cancellation_token=source.token
        )
        gevent.sleep(0.1)
        source.cancel()
        receiving.join()
        receiving = gevent.spawn(refused, syncws.IllegalMethodCallError, socket)
        gevent.sleep(0.1)
        socket.add_message_received(print)
        receiving.join()
    """
    with running_server(echo) as uri:
        done = run(script, uri)
    assert_quiet(done)
    assert done.stdout.split() == ["ended", "ended"]
    assert done.seconds < 20


# Looked for and not imported, which would put green selectors into this process.
@pytest.mark.skipif(find_spec("eventlet") is None, reason="eventlet is not installed")
@pytest.mark.slow
def test_eventlet_that_is_patched_in_after_the_import():
    # Its select lets no two green threads wait for one socket: nobody may look at a socket that another receives from.
    script = f"""
    warnings.simplefilter("ignore")
    import eventlet
    eventlet.monkey_patch()
    {ECHO.replace(chr(10), chr(10) + "    ")}
        receiving = eventlet.spawn(socket.receive, 60)
        eventlet.sleep(1)
        socket.send("ping me")
        print(receiving.wait())
        with eventlet.Timeout(10):
            while not socket.information.bytes_buffered_in:
                eventlet.sleep(0.1)
        print(socket.receive(10))
    """

    def serve(connection):
        for message in connection:
            connection.send(message)
            if message == "ping me":
                connection.send("answered" if connection.ping().wait(LIMIT) else "not answered")

    with running_server(serve, ping_interval=None) as uri:
        done = run(script, uri)
    assert_quiet(done)
    assert done.stdout.splitlines() == ["ping me", "answered"]


@pytest.mark.parametrize("is_imported_before", [True, False], ids=["imported before", "imported while it stands still"])
def test_time_limits_end_while_freezegun_has_time_stand_still(is_imported_before):
    pytest.importorskip("freezegun")
    program = f"""
import sys
from freezegun import freeze_time
{"import syncws" if is_imported_before else ""}
uri, silent = sys.argv[1:]

def show_whether_it_ends(call):
    try:
        call()
    except syncws.OperationTimedOutError:
        print("over")

with freeze_time("2020-02-02"):
    import syncws
    socket = syncws.connect(uri, send_timeout=0.1, close_timeout=0.1)
    show_whether_it_ends(lambda: syncws.connect(silent, timeout=0.1))
    show_whether_it_ends(lambda: socket.receive(0.1))
    show_whether_it_ends(lambda: socket.ping(timeout=0.1))
    show_whether_it_ends(lambda: socket.send(bytes(1 << 24)))
    socket.close()
    print("closed")
show_whether_it_ends(lambda: syncws.connect(silent, timeout=0.1))
"""
    left = threading.Event()
    with scripted_server(sends_and_ends(after=left)) as uri, black_hole("127.0.0.1") as port:
        try:
            done = subprocess.run(
                [sys.executable, "-c", program, uri, f"ws://127.0.0.1:{port}/"],
                cwd=ROOT,
                env=environment(None),
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
        finally:
            left.set()
    assert_quiet(done)
    assert done.stdout.split() == ["over"] * 4 + ["closed", "over"]
