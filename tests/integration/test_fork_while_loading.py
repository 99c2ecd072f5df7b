"""A fork while another thread's connect is the first to load what connects need."""

import os

import pytest
from support import echo, running_server
from support.programs import assert_quiet, run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# A finder holds one import until the process is about to fork, and a while longer unless it has forked: so the fork
# comes in the middle of it, if it can. The child would wait for ever for a lock of a thread that it does not have.
PROGRAM = """
warnings.simplefilter("ignore", DeprecationWarning)
LIMIT = 20
loading, forking, forked = threading.Event(), threading.Event(), threading.Event()

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == module and not loading.is_set():
            loading.set()
            assert forking.wait(LIMIT)
            forked.wait(0.3)

def connect():
    socket = syncws.connect(uri, timeout=10, **settings)
    socket.send("x")
    assert socket.receive() == "x"
    socket.close()

sys.meta_path.insert(0, Finder())
thread = threading.Thread(target=connect)
thread.start()
assert loading.wait(LIMIT)
os.register_at_fork(before=forking.set, after_in_parent=forked.set)
pid = os.fork()
if not pid:
    signal.alarm(10)
    # A new thread gets the number of one that was the parent's, and with it the locks that this one held. Not here.
    for _ in range(5):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    connect()
    os._exit(0)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
thread.join(LIMIT)
assert code == 0, code
"""

# A resolver in the form of dnspython's, for a name that only it knows.
RESOLVER = """
class Resolver:
    lifetime = 5

    def resolve(self, name, kind, **options):
        return ["127.0.0.1"] if kind == "A" else []

uri = uri.replace("localhost", "server.test")
settings["resolver"] = Resolver()
"""


# A name that the system's resolver is asked for, which then looks up an address: both are given to the IDNA codec. No
# name, for which glibc takes locks: the fork comes at once after the import, and a child that asks for one, too, would
# wait for a lock that the other thread held, in a program without this library as well.
SYSTEM = """
import socket
asked = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **options: asked("127.0.0.1", *rest, **options)
uri = uri.replace("localhost", "server.local")
"""


def program(module, more=""):
    return f"module, settings = {module!r}, {{}}\n{more}\n{PROGRAM}"


@pytest.mark.parametrize(
    ("module", "more"),
    [
        ("websocket._abnf", ""),
        ("dns.resolver", RESOLVER),
        ("encodings.idna", SYSTEM),
        ("urllib3.util.url", "uri += '/%7euser'"),
    ],
    ids=["the handshake", "a name", "the system's names", "a path to be encoded anew"],
)
def test_a_fork_waits_for_what_a_plain_connect_loads(module, more):
    with running_server(echo) as uri:
        assert_quiet(run(program(module, more), uri))


# OpenSSL holds locks of the whole process in the midst of a handshake, in the first one most of all.
HANDSHAKE = """
import ssl
do_handshake = ssl.SSLObject.do_handshake
in_its_midst = []

def slow_handshake(engine):
    if not loading.is_set():
        loading.set()
        assert forking.wait(LIMIT)
        in_its_midst.append(forked.wait(0.3))
    return do_handshake(engine)

ssl.SSLObject.do_handshake = slow_handshake
"""


def test_a_fork_waits_for_what_openssl_does_in_a_connect(server_tls, authority_file):
    with running_server(echo, ssl_context=server_tls) as uri:
        source = program("", HANDSHAKE) + "assert in_its_midst == [False]\n"
        assert_quiet(run(source, uri, authority=authority_file))


@pytest.mark.parametrize("module", ["urllib3.util.ssl_", "encodings.idna"])
def test_a_fork_waits_for_what_a_connect_over_tls_loads(server_tls, authority_file, module):
    with running_server(echo, ssl_context=server_tls) as uri:
        assert_quiet(run(program(module), uri, authority=authority_file))
