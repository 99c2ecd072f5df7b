"""Names from the URI to a connection: a real name server, a real server, and every way in which a lookup can end."""

import socket as tcp
import threading

import dns.name
import dns.rcode
import pytest
from support import LIMIT, join, request_headers, scripted_server, wait
from support.calls import Call
from support.dns_server import NO_DATA, chain, code, dns_server, held, ipv4, records, silence, together, truncated
from support.programs import press_ctrl_c

from syncws import (
    CancellationTokenSource,
    HostNameNotResolvedError,
    HResult,
    InvalidArgumentError,
    MessageWebSocket,
    OperationCanceledError,
    OperationTimedOutError,
    WebErrorStatus,
)
from syncws._net import hosts_file, resolver

LOOPBACK = ipv4("127.0.0.1")


@pytest.fixture
def names(monkeypatch, tmp_path):
    """A name server; this system's hosts file is empty."""
    monkeypatch.setattr(hosts_file, "hosts_file", lambda: tmp_path / "hosts")
    with dns_server() as server:
        yield server


@pytest.fixture
def released(names):
    """An Event for scripts that hold an answer back; set before the name server ends."""
    event = threading.Event()
    yield event
    event.set()


def socket_of(names, **attributes):
    """Return a socket that asks this name server alone."""
    socket = MessageWebSocket()
    socket.control.resolver = names.resolver(**attributes)
    return socket


def at(uri, host):
    return uri.replace("localhost", host)


def lookups():
    return [thread for thread in threading.enumerate() if thread.name == "syncws-lookup"]


# Found.


@pytest.mark.parametrize("is_default", [False, True], ids=["own resolver", "the system's settings"])
def test_a_name_is_looked_up_and_connected_to(names, serve, requests, monkeypatch, is_default):
    names.scripts["server.test.", "A"] = LOOPBACK
    with scripted_server(serve) as uri, MessageWebSocket() as socket:
        if is_default:
            monkeypatch.setattr(resolver, "make_resolver", names.resolver)
        else:
            socket.control.resolver = names.resolver()
        socket.connect(at(uri, "server.test"), timeout=LIMIT)
        assert socket.information.remote_address.canonical_name == "127.0.0.1"
        socket.abort()
    assert request_headers(requests[0])["host"] == at(uri, "server.test").removeprefix("ws://").removesuffix("/")
    assert sorted(names.asked) == [("server.test.", kind, "UDP") for kind in ("A", "AAAA")]


def test_both_families_are_asked_at_the_same_time(names, serve):
    meeting = threading.Barrier(2)
    names.scripts["server.test.", "A"] = together(meeting, LOOPBACK)
    names.scripts["server.test.", "AAAA"] = together(meeting, NO_DATA)
    with scripted_server(serve) as uri, socket_of(names) as socket:
        socket.connect(at(uri, "server.test"), timeout=LIMIT)
        socket.abort()


def test_a_name_server_that_is_silent_for_one_family_is_not_waited_for(names, serve, released):
    names.scripts["server.test.", "A"] = LOOPBACK
    names.scripts["server.test.", "AAAA"] = held(released, NO_DATA)
    with scripted_server(serve) as uri, socket_of(names) as socket:
        socket.connect(at(uri, "server.test"), timeout=LIMIT)
        assert not released.is_set()
        assert len(lookups()) == 1
        socket.abort()


def test_cnames_are_followed(names, serve):
    names.scripts["server.test.", "A"] = chain("one.test.", "two.example.", to=("127.0.0.1",))
    names.scripts["server.test.", "AAAA"] = chain("one.test.", "two.example.")
    with scripted_server(serve) as uri, socket_of(names) as socket:
        socket.connect(at(uri, "server.test"), timeout=LIMIT)
        socket.abort()


def test_of_more_than_a_hundred_addresses_the_first_five_are_tried(names, serve):
    names.scripts["many.test.", "A"] = truncated(records(*(f"127.0.1.{last}" for last in range(1, 151))))
    names.scripts["many.test.", "AAAA"] = NO_DATA
    with scripted_server(serve, connections=0) as uri, socket_of(names) as socket:
        with pytest.raises(OSError, match="cannot connect to ws://many") as caught:
            socket.connect(at(uri, "many.test"), timeout=LIMIT)
        assert len({attempt.address for attempt in caught.value.attempts}) == 5
    assert ("many.test.", "A", "TCP") in names.asked
    with scripted_server(serve, address="0.0.0.0") as uri, socket_of(names) as socket:
        socket.connect(at(uri, "many.test"), timeout=LIMIT)
        assert socket.information.remote_address.canonical_name.startswith("127.0.1.")
        socket.abort()


def test_an_address_is_tried_once_however_often_it_is_told(names, serve):
    names.scripts["server.test.", "A"] = records("127.0.0.2", "0.0.0.0")
    names.scripts["server.test.", "AAAA"] = records("::ffff:127.0.0.2", "::")
    with scripted_server(serve, connections=0) as uri, socket_of(names) as socket:
        with pytest.raises(OSError, match="cannot connect") as caught:
            socket.connect(at(uri, "server.test"), timeout=LIMIT)
        assert [attempt.address for attempt in caught.value.attempts] == ["127.0.0.2"]


# A relative name, an absolute one.


@pytest.mark.parametrize(("host", "asked"), [("box", "box.corp.test."), ("box.", "box.")])
def test_a_name_with_a_dot_at_its_end_is_not_searched_for(names, serve, requests, host, asked):
    names.scripts[asked, "A"] = LOOPBACK
    with (
        scripted_server(serve) as uri,
        socket_of(names, search=[dns.name.from_text("corp.test.")]) as socket,
    ):
        socket.connect(at(uri, host), timeout=LIMIT)
        socket.abort()
    assert names.names_asked("A") == [asked]
    # As it was written: the server may know both names.
    assert request_headers(requests[0])["host"] == at(uri, host).removeprefix("ws://").removesuffix("/")


def test_the_hosts_file_knows_a_name_with_and_without_a_dot_at_its_end(names, serve, tmp_path):
    (tmp_path / "hosts").write_bytes(b"\xef\xbb\xbf127.0.0.1\tother BOX.test\r\n")
    for host in ("box.test", "box.test."):
        with scripted_server(serve) as uri, socket_of(names) as socket:
            socket.connect(at(uri, host), timeout=LIMIT)
            socket.abort()
    assert names.asked == []


def test_a_name_that_the_hosts_file_blocks_is_not_asked_for(names, tmp_path):
    (tmp_path / "hosts").write_text("0.0.0.0 ads.test\n")
    names.scripts["ads.test."] = LOOPBACK
    with (
        socket_of(names) as socket,
        pytest.raises(HostNameNotResolvedError, match="the hosts file blocks it") as caught,
    ):
        socket.connect("ws://ads.test/", timeout=LIMIT)
    assert caught.value.status is WebErrorStatus.HOST_NAME_NOT_RESOLVED
    assert names.asked == []


@pytest.fixture
def tls_names(authority, server_tls):
    """A server's context for two names, and the list of the names that clients asked for (SNI)."""
    asked = []
    context = type(server_tls)(server_tls.protocol)
    authority.issue_cert("server.test", "bücher.test").configure_cert(context)
    context.sni_callback = lambda _, name, __: asked.append(name)
    return context, asked


@pytest.mark.parametrize(
    ("host", "asked", "header", "server_name"),
    [
        ("server.test", "server.test.", "server.test", "server.test"),
        ("server.test.", "server.test.", "server.test.", "server.test"),
        ("bücher.test", "xn--bcher-kva.test.", "xn--bcher-kva.test", "xn--bcher-kva.test"),
        ("BÜCHER.Test", "xn--bcher-kva.test.", "xn--bcher-kva.test", "xn--bcher-kva.test"),
        ("XN--Bcher-KVA.test", "xn--bcher-kva.test.", "xn--bcher-kva.test", "xn--bcher-kva.test"),
    ],
)
def test_what_name_servers_host_header_and_sni_get(
    names, serve, requests, tls_names, client_tls, host, asked, header, server_name
):
    context, server_names = tls_names
    names.scripts[asked, "A"] = LOOPBACK
    with scripted_server(serve, ssl_context=context) as uri, socket_of(names) as socket:
        socket.control.ssl_context = client_tls
        socket.connect(at(uri, host), timeout=LIMIT)
        socket.abort()
    assert names.names_asked("A") == [asked]
    assert request_headers(requests[0])["host"].rpartition(":")[0] == header
    assert server_names == [server_name]


@pytest.mark.parametrize("host", ["😀.test", "a.b😀.test", "büc_her.test", "127.1", "0x7f.1"])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_asked(names, host):
    with socket_of(names) as socket, pytest.raises(InvalidArgumentError) as caught:
        socket.connect(f"ws://{host}/", timeout=LIMIT)
    assert caught.value.hresult == HResult.E_INVALIDARG
    assert names.asked == []


# Not found: script, error, what it says.

FAILURES = {
    "name error": (code(dns.rcode.NXDOMAIN), HostNameNotResolvedError, "the name does not exist"),
    "server failure": (code(dns.rcode.SERVFAIL), HostNameNotResolvedError, "the name servers failed: .*SERVFAIL"),
    "refused": (code(dns.rcode.REFUSED), HostNameNotResolvedError, "the name servers failed: .*REFUSED"),
    "no data": (NO_DATA, HostNameNotResolvedError, "the name exists but has no address of this kind"),
    "CNAME loop": (chain("one.test.", "server.test."), HostNameNotResolvedError, "the name servers failed: .*CNAME"),
    "silence": (silence, OperationTimedOutError, "the name servers did not answer in time"),
}


@pytest.mark.parametrize("is_default", [False, True], ids=["own resolver", "the system's settings"])
@pytest.mark.parametrize(("script", "error", "words"), FAILURES.values(), ids=FAILURES)
def test_failures_are_told_apart(names, serve, monkeypatch, script, error, words, is_default):
    def nobody_knows(*_, **__):
        raise tcp.gaierror(tcp.EAI_AGAIN, "Temporary failure in name resolution")

    names.scripts["server.test."] = script
    lifetime = 0.2 if script is silence else LIMIT
    with MessageWebSocket() as socket:
        if is_default:
            monkeypatch.setattr(resolver, "make_resolver", lambda: names.resolver(lifetime=lifetime))
            monkeypatch.setattr(tcp, "getaddrinfo", nobody_knows)
            words += ".*the system's resolver says: .*Temporary failure"
        else:
            socket.control.resolver = names.resolver(lifetime=lifetime)
        with pytest.raises(error, match=rf"'server\.test' has no address: {words}") as caught:
            socket.connect("ws://server.test/", timeout=LIMIT)
        is_timeout = error is OperationTimedOutError
        assert caught.value.status is (WebErrorStatus.TIMEOUT if is_timeout else WebErrorStatus.HOST_NAME_NOT_RESOLVED)
        assert caught.value.attempts == ()
        connect_again(socket, names, serve)


def connect_again(socket, names, serve):
    """Connect a socket whose connect has failed."""
    names.scripts["server.test."] = LOOPBACK
    socket.control.resolver = names.resolver()
    with scripted_server(serve) as uri:
        socket.connect(at(uri, "server.test"), timeout=LIMIT)
        socket.abort()


# Ended.

WAITS = {
    "silence": lambda released: silence,
    "silence over TCP": lambda released: truncated(held(released, silence)),
    "an answer that is late": lambda released: held(released, LOOPBACK),
    "a server failure that is late": lambda released: held(released, code(dns.rcode.SERVFAIL)),
}


@pytest.mark.parametrize("name", WAITS)
def test_the_time_limit_holds_whatever_the_name_server_does(names, serve, released, name):
    names.scripts["server.test."] = WAITS[name](released)
    with socket_of(names) as socket:
        with pytest.raises(OperationTimedOutError, match=r"server\.test") as caught:
            socket.connect("ws://server.test/", timeout=0.2)
        assert not released.is_set()
        assert caught.value.status is WebErrorStatus.TIMEOUT
        connect_again(socket, names, serve)


ENDINGS = {
    "cancel": lambda socket, source: source.cancel(),
    "close": lambda socket, source: socket.close(),
    "abort": lambda socket, source: socket.abort(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_lookup_is_canceled_from_another_thread(names, serve, released, ending):
    asked = threading.Barrier(3)
    names.scripts["server.test."] = together(asked, held(released, LOOPBACK))
    source = CancellationTokenSource()
    with socket_of(names) as socket:
        connecting = Call(socket.connect, "ws://server.test/", timeout=LIMIT, cancellation_token=source.token)
        asked.wait(LIMIT)
        ENDINGS[ending](socket, source)
        with pytest.raises(OperationCanceledError, match=r"looking up server\.test"):
            connecting.result()
        assert not released.is_set()
        connect_again(socket, names, serve)


def test_the_threads_of_a_lookup_end_with_the_resolver_s_lifetime(names, released):
    names.scripts["server.test."] = held(released, LOOPBACK)
    begun, left = threading.Barrier(3), []

    def noting(*arguments, **options):
        left.append(threading.current_thread())
        begun.wait(LIMIT)
        return resolve(*arguments, **options)

    with socket_of(names, lifetime=0.3) as socket:
        resolve = socket.control.resolver.resolve
        socket.control.resolver.resolve = noting
        connecting = Call(socket.connect, "ws://server.test/", timeout=LIMIT)
        begun.wait(LIMIT)
        socket.abort()
        with pytest.raises(OperationCanceledError):
            connecting.result()
    assert len(left) == 2
    for thread in left:
        join(thread)
    # The name server has still not answered.
    assert not released.is_set()


def test_control_c_ends_a_lookup(names, serve, released):
    asked = threading.Barrier(3)
    names.scripts["server.test."] = together(asked, held(released, LOOPBACK))

    def interrupt():
        asked.wait(LIMIT)
        press_ctrl_c()

    with socket_of(names) as socket:
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            socket.connect("ws://server.test/", timeout=LIMIT)
        join(interrupting)
        assert not released.is_set()
        assert repr(socket) == "<MessageWebSocket NEW>"
        connect_again(socket, names, serve)


# The system's resolver.


@pytest.fixture
def system(monkeypatch, names):
    """A system's resolver that does not come back until it is released, and the threads on which it was asked."""

    class System:
        def __init__(self):
            self.threads = []
            self.asked, self.released = threading.Event(), threading.Event()

        def getaddrinfo(self, *_, **__):
            self.threads.append(threading.current_thread().name)
            self.asked.set()
            wait(self.released)
            return [(tcp.AF_INET, tcp.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    made = System()
    monkeypatch.setattr(tcp, "getaddrinfo", made.getaddrinfo)
    monkeypatch.setattr(resolver, "make_resolver", names.resolver)
    yield made
    made.released.set()


def test_the_system_is_asked_at_last_on_a_thread_of_its_own(names, serve, system):
    system.released.set()
    with scripted_server(serve) as uri, MessageWebSocket() as socket:
        socket.connect(at(uri, "server.test"), timeout=LIMIT)
        socket.abort()
    assert sorted(names.asked) == [("server.test.", kind, "UDP") for kind in ("A", "AAAA")]
    assert system.threads == ["syncws-lookup"]


def test_the_system_is_asked_in_time_when_the_name_servers_are_silent(names, serve, system):
    system.released.set()
    names.scripts["server.test."] = silence
    with scripted_server(serve) as uri, MessageWebSocket() as socket:
        # Half of it for the silent ones.
        socket.connect(at(uri, "server.test"), timeout=2)
        socket.abort()
    assert system.threads == ["syncws-lookup"]


def test_the_system_is_not_waited_for_past_the_time_limit(names, serve, system):
    with MessageWebSocket() as socket:
        # Enough for the name servers to say on a busy machine that they know nothing.
        with pytest.raises(OperationTimedOutError, match=r"looking up server\.test"):
            socket.connect("ws://server.test/", timeout=1)
        assert system.asked.is_set()
        assert not system.released.is_set()
        connect_again(socket, names, serve)


def test_a_cancellation_does_not_wait_for_the_system(names, serve, system):
    with MessageWebSocket() as socket:
        connecting = Call(socket.connect, "ws://server.test/", timeout=LIMIT)
        wait(system.asked)
        socket.close()
        with pytest.raises(OperationCanceledError):
            connecting.result()
        assert not system.released.is_set()
        connect_again(socket, names, serve)


def test_the_system_is_not_asked_beside_a_resolver_of_one_s_own(names, system):
    with socket_of(names) as socket, pytest.raises(HostNameNotResolvedError):
        socket.connect("ws://server.test/", timeout=LIMIT)
    assert system.threads == []
