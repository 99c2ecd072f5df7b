"""From names to addresses: without waiting, by name servers, and by the system."""

import os
import socket
import threading
from pathlib import Path

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from support import LIMIT, join, read_exactly

from syncws.enums import WebErrorStatus
from syncws.errors import HostNameNotResolvedError, OperationTimedOutError
from syncws.hresult import HResult
from syncws.net import resolver
from syncws.net import resolver as module
from syncws.net.deadline import FOREVER, Deadline
from syncws.net.resolver import Address, addresses_without_waiting

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def no_system(monkeypatch):
    """The system's resolver knows nothing."""

    def getaddrinfo(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def name_server():
    """A name server on loopback: answers from a table of (name, type) to lines of an answer, or a code, or None."""
    table = {}
    server = socket.socket(V4, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(LIMIT)

    def body():
        while True:
            data, peer = server.recvfrom(4096)
            if data == b"end":
                return
            query = dns.message.from_wire(data)
            question = query.question[0]
            known = table.get((str(question.name), dns.rdatatype.to_text(question.rdtype)), [])
            if known is None:
                continue
            response = dns.message.make_response(query)
            if isinstance(known, dns.rcode.Rcode):
                response.set_rcode(known)
            else:
                response.answer = [dns.rrset.from_text(*line) for line in known]
            server.sendto(response.to_wire(), peer)

    thread = threading.Thread(target=body, name="name-server")
    thread.start()

    def make_resolver():
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.getsockname()[1]
        resolver.lifetime = LIMIT
        return resolver

    yield table, make_resolver
    with socket.socket(V4, socket.SOCK_DGRAM) as client:
        client.sendto(b"end", server.getsockname())
    join(thread)
    server.close()


def look_up(host, deadline, factory=None, *, system=True):
    """Look a name up with a resolver that stands for the system's, or with one of the application's own."""

    def run_aside(functions):
        return [function() for function in functions]

    if not system:
        return resolver.look_up(host, deadline, factory(), run_aside)
    with pytest.MonkeyPatch.context() as patch:
        if factory is not None:
            patch.setattr(module, "make_resolver", factory)
        return resolver.look_up(host, deadline, None, run_aside)


def record(kind, *texts, name="example.org."):
    return (name, 60, "IN", kind, *texts)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", Address(V4, "192.0.2.1")),
        ("2001:db8::1", Address(V6, "2001:db8::1")),
        ("fe80::1%lo", Address(V6, "fe80::1%lo")),
    ],
)
def test_a_literal_is_its_own_address(host, address):
    assert addresses_without_waiting(host) == [address]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.localhost."])
def test_localhost_is_loopback(host):
    assert addresses_without_waiting(host) == [Address(V4, "127.0.0.1"), Address(V6, "::1")]


def test_a_name_that_only_ends_like_localhost_is_not(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "hosts_file", lambda: tmp_path / "none")
    assert addresses_without_waiting("notlocalhost") == []


@pytest.fixture
def hosts(monkeypatch, tmp_path):
    path = tmp_path / "hosts"
    monkeypatch.setattr(module, "hosts_file", lambda: path)
    return path


@pytest.mark.parametrize("host", ["box", "BOX", "box.example", "box.", "alias"])
def test_the_hosts_file_knows_names_and_aliases(hosts, host):
    hosts.write_text("# comment\n\n192.0.2.7 box.example box Alias. # box2\n2001:db8::7\tbox\n")
    assert addresses_without_waiting(host)[0] == Address(V4, "192.0.2.7")


def test_the_hosts_file_may_know_several_addresses(hosts):
    hosts.write_text("192.0.2.7 box\n2001:db8::7 box\n")
    assert addresses_without_waiting("box") == [Address(V4, "192.0.2.7"), Address(V6, "2001:db8::7")]


@pytest.mark.parametrize("text", ["192.0.2.7 other # box", "nonsense box", "box", "", "192.0.2.7"])
def test_other_lines_of_the_hosts_file_mean_nothing(hosts, text):
    hosts.write_text(text)
    assert addresses_without_waiting("box") == []


def test_a_hosts_file_that_is_no_text_is_read_as_far_as_it_goes(hosts):
    hosts.write_bytes(b"\xff\xfe garbage\n192.0.2.7 box\n")
    assert addresses_without_waiting("box") == [Address(V4, "192.0.2.7")]


def test_no_hosts_file_is_no_error(hosts):
    assert addresses_without_waiting("box") == []


def test_the_hosts_file_is_where_this_system_has_it(monkeypatch):
    assert module.hosts_file() == Path("/etc/hosts")


def test_the_hosts_file_of_windows_is_under_its_root(monkeypatch):
    monkeypatch.setenv("SYSTEMROOT", "/windows")
    monkeypatch.setattr(module, "Path", lambda *parts: parts)
    monkeypatch.setattr(os, "name", "nt")
    parts = module.hosts_file()
    monkeypatch.undo()
    assert parts == ("/windows", "System32", "drivers", "etc", "hosts")


def test_a_and_aaaa_records_are_found_and_take_turns(name_server, no_system):
    table, factory = name_server
    table["example.org.", "A"] = [record("A", "192.0.2.1", "192.0.2.2", "192.0.2.3")]
    table["example.org.", "AAAA"] = [record("AAAA", "2001:db8::1")]
    found = look_up("example.org", Deadline(LIMIT), factory)
    assert len(found) == 4
    assert found[0].family != found[1].family
    assert [address.family for address in found[2:]] == [V4, V4]


@pytest.mark.parametrize(("kind", "text", "family"), [("A", "192.0.2.1", V4), ("AAAA", "2001:db8::1", V6)])
def test_one_family_is_enough(name_server, no_system, kind, text, family):
    table, factory = name_server
    table["example.org.", kind] = [record(kind, text)]
    assert look_up("example.org", FOREVER, factory) == [Address(family, text)]


def test_a_cname_is_followed(name_server, no_system):
    table, factory = name_server
    table["example.org.", "A"] = [record("CNAME", "other.example."), record("A", "192.0.2.9", name="other.example.")]
    table["example.org.", "AAAA"] = [record("CNAME", "other.example.")]
    assert look_up("example.org", FOREVER, factory) == [Address(V4, "192.0.2.9")]


@pytest.mark.parametrize("code", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_name_that_nobody_knows_is_an_error_that_says_why(name_server, no_system, code):
    table, factory = name_server
    table["example.org.", "A"] = table["example.org.", "AAAA"] = code
    with pytest.raises(HostNameNotResolvedError, match=r"example\.org.*Name or service not known") as caught:
        look_up("example.org", Deadline(LIMIT), factory)
    assert caught.value.hresult == HResult.WININET_E_NAME_NOT_RESOLVED


def test_a_silent_name_server_ends_with_the_deadline(name_server, no_system):
    table, factory = name_server
    table["example.org.", "A"] = table["example.org.", "AAAA"] = None
    with pytest.raises(HostNameNotResolvedError):
        look_up("example.org", Deadline(0.2), factory)


def test_the_system_is_asked_when_the_name_servers_know_nothing(name_server, monkeypatch):
    table, factory = name_server
    table["example.org.", "A"] = table["example.org.", "AAAA"] = dns.rcode.NXDOMAIN
    answers = [
        (V6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0)),
        (V6, socket.SOCK_STREAM, 6, "", ("2001:db8::2", 0, 0, 0)),
        (V4, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0)),
        (V4, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    assert [address.text for address in look_up("example.org", FOREVER, factory)] == [
        "2001:db8::1",
        "192.0.2.1",
        "2001:db8::2",
    ]


def test_the_system_is_asked_when_there_is_no_name_server(monkeypatch):
    def no_configuration():
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(V4, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))])
    assert look_up("example.org", FOREVER, no_configuration) == [Address(V4, "192.0.2.1")]


def test_the_systems_own_settings_are_the_default(monkeypatch, name_server, no_system):
    table, factory = name_server
    table["example.org.", "A"] = [record("A", "192.0.2.1")]
    monkeypatch.setattr(dns.resolver, "Resolver", lambda real=dns.resolver.Resolver: factory_of(real, factory))
    assert look_up("example.org", FOREVER) == [Address(V4, "192.0.2.1")]


def factory_of(real, factory):
    resolver = real(configure=False)
    dns.resolver.Resolver, fake = real, dns.resolver.Resolver
    try:
        made = factory()
    finally:
        dns.resolver.Resolver = fake
    resolver.nameservers, resolver.port, resolver.lifetime = made.nameservers, made.port, made.lifetime
    return resolver


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "x" * 300])
def test_a_name_that_cannot_be_one_is_not_resolved(name_server, host):
    with pytest.raises(HostNameNotResolvedError):
        look_up(host, Deadline(0.2), name_server[1])


# A resolver of the application's own.

FAILURES = {
    "name error": (dns.rcode.NXDOMAIN, HostNameNotResolvedError, "the name does not exist"),
    "server failure": (dns.rcode.SERVFAIL, HostNameNotResolvedError, "the name servers failed.*SERVFAIL"),
    "no data": ([], HostNameNotResolvedError, "the name exists, and has no address of this kind"),
    "silence": (None, OperationTimedOutError, "the name servers did not answer in time"),
}


@pytest.mark.parametrize(("known", "error", "words"), FAILURES.values(), ids=FAILURES)
def test_failures_are_told_apart(name_server, known, error, words):
    table, factory = name_server
    table["example.org.", "A"] = table["example.org.", "AAAA"] = known
    with pytest.raises(error, match=rf"'example\.org' has no address: {words}") as caught:
        look_up("example.org", Deadline(0.3 if known is None else LIMIT), factory, system=False)
    is_timeout = error is OperationTimedOutError
    assert caught.value.status is (WebErrorStatus.TIMEOUT if is_timeout else WebErrorStatus.HOST_NAME_NOT_RESOLVED)


def test_the_system_is_not_asked_beside_an_own_resolver(name_server, monkeypatch):
    table, factory = name_server
    table["example.org.", "A"] = table["example.org.", "AAAA"] = dns.rcode.NXDOMAIN
    monkeypatch.setattr(module, "ask_system", lambda host: pytest.fail("the system was asked"))
    with pytest.raises(HostNameNotResolvedError):
        look_up("example.org", Deadline(LIMIT), factory, system=False)


@pytest.mark.parametrize(
    ("host", "found"), [("box", "192.0.2.5"), ("box.corp.example", "192.0.2.5"), ("a.b", "192.0.2.6")]
)
def test_search_domains_are_tried_as_ndots_says(name_server, host, found):
    table, factory = name_server
    table["box.corp.example.", "A"] = [record("A", "192.0.2.5", name="box.corp.example.")]
    table["a.b.", "A"] = [record("A", "192.0.2.6", name="a.b.")]
    table["a.b.corp.example.", "A"] = [record("A", "192.0.2.7", name="a.b.corp.example.")]
    table["box.", "A"] = table["box.", "AAAA"] = dns.rcode.NXDOMAIN

    def searching():
        resolver = factory()
        resolver.search = [dns.name.from_text("corp.example.")]
        resolver.domain = dns.name.root
        return resolver

    assert look_up(host, Deadline(LIMIT), searching, system=False) == [Address(V4, found)]


def test_a_truncated_answer_is_asked_for_again_over_tcp():
    # One port for both: the TCP listener comes first, because any UDP port of that number is then free.
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(V4, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(listener.getsockname())
        datagrams.settimeout(LIMIT)

        def body():
            data, peer = datagrams.recvfrom(4096)
            short = dns.message.make_response(dns.message.from_wire(data))
            short.flags |= dns.flags.TC
            datagrams.sendto(short.to_wire(), peer)
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(LIMIT)
                query = dns.message.from_wire(
                    read_exactly(connection, int.from_bytes(read_exactly(connection, 2), "big"))
                )
                response = dns.message.make_response(query)
                response.answer = [dns.rrset.from_text(*record("A", *(f"192.0.2.{last}" for last in range(100))))]
                wire = response.to_wire()
                connection.sendall(len(wire).to_bytes(2, "big") + wire)

        thread = threading.Thread(target=body, name="truncating-server")
        thread.start()
        asked = dns.resolver.Resolver(configure=False)
        asked.nameservers, asked.port, asked.lifetime = ["127.0.0.1"], listener.getsockname()[1], LIMIT
        answer = resolver.ask_name_servers("example.org", "A", Deadline(LIMIT), asked)
        join(thread)
    assert len(answer.addresses) == 100
