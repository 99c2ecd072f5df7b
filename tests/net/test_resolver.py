"""From names to addresses: without waiting, by name servers, and by the system."""

import errno
import socket
import sys
import threading

import dns.exception
import dns.rcode
import dns.resolver
import pytest
from support import LIMIT
from support.dns_server import NO_DATA, after_forgeries, chain, code, dns_server, records, silence, together, truncated

from syncws._net import hosts_file
from syncws._net import resolver as module
from syncws._net.address import Address
from syncws._waiting import deadline as deadline_module
from syncws._waiting.deadline import FOREVER, Deadline
from syncws.enums import WebErrorStatus
from syncws.errors import CannotConnectError, HostNameNotResolvedError, OperationTimedOutError
from syncws.hresult import HResult

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def names():
    """A name server."""
    with dns_server() as server:
        yield server


@pytest.fixture
def system(monkeypatch):
    """What the system's resolver says: a list of socket addresses, or an exception; and the names it was asked for."""

    class System:
        answer = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        def __init__(self):
            self.asked = []

        def getaddrinfo(self, host, *_, type):  # noqa: A002 - the name of socket.getaddrinfo's argument
            assert type == socket.SOCK_STREAM
            self.asked.append(host)
            if isinstance(self.answer, Exception):
                raise self.answer
            return [(V6 if len(found) == 4 else V4, type, 6, "", found) for found in self.answer]

    made = System()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    return made


def in_turn(functions):
    return [function() for function in functions]


def at_once(functions):
    results = {}
    threads = [
        threading.Thread(target=lambda number=number, function=function: results.update({number: function()}))
        for number, function in enumerate(functions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    return [results[number] for number in sorted(results)]


def look_up(host, resolver, deadline=FOREVER, run_aside=in_turn):
    """Look a name up with a resolver of the application's own."""
    return module.look_up(host, deadline, resolver, run_aside)


def look_up_by_default(monkeypatch, host, make_resolver, deadline=FOREVER):
    """Look a name up by the system's name servers, for which `make_resolver` stands, and then by the system."""
    monkeypatch.setattr(module, "make_resolver", make_resolver)
    return module.look_up(host, deadline, None, in_turn)


# Without waiting.


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", Address(V4, "192.0.2.1")),
        ("2001:db8::1", Address(V6, "2001:db8::1")),
        ("fe80::1%lo", Address(V6, "fe80::1%lo")),
        ("::ffff:192.0.2.1", Address(V4, "192.0.2.1")),
        # Whoever writes it means it: some systems take it for themselves.
        ("0.0.0.0", Address(V4, "0.0.0.0")),
    ],
)
def test_a_literal_is_its_own_address(host, address):
    assert module.addresses_without_waiting(host) == [address]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.localhost."])
def test_localhost_is_loopback(host):
    assert module.addresses_without_waiting(host) == [Address(V4, "127.0.0.1"), Address(V6, "::1")]


def test_a_name_that_only_ends_like_localhost_is_not(monkeypatch, tmp_path):
    monkeypatch.setattr(hosts_file, "hosts_file", lambda: tmp_path / "none")
    assert module.addresses_without_waiting("notlocalhost") == []


# By name servers.


def test_a_and_aaaa_are_asked_for_at_the_same_time(names):
    meeting = threading.Barrier(2)
    names.scripts["example.test.", "A"] = together(meeting, records("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    names.scripts["example.test.", "AAAA"] = together(meeting, records("2001:db8::1"))
    found = look_up("example.test", names.resolver(), run_aside=at_once)
    assert [address.family for address in found] == [V6, V4, V4, V4]


@pytest.mark.parametrize(("kind", "text", "family"), [("A", "192.0.2.1", V4), ("AAAA", "2001:db8::1", V6)])
@pytest.mark.parametrize("other", [NO_DATA, code(dns.rcode.SERVFAIL), code(dns.rcode.NXDOMAIN)])
def test_one_family_is_enough_whatever_becomes_of_the_other(names, kind, text, family, other):
    names.scripts["example.test."] = other
    names.scripts["example.test.", kind] = records(text)
    assert look_up("example.test", names.resolver()) == [Address(family, text)]


def test_cnames_are_followed(names):
    names.scripts["example.test.", "A"] = chain("one.test.", "two.example.", to=("192.0.2.9",))
    names.scripts["example.test.", "AAAA"] = chain("one.test.", "two.example.")
    assert look_up("example.test", names.resolver()) == [Address(V4, "192.0.2.9")]


def test_a_truncated_answer_is_asked_for_again_over_tcp(names):
    names.scripts["example.test.", "A"] = truncated(records(*(f"192.0.2.{last}" for last in range(1, 251))))
    names.scripts["example.test.", "AAAA"] = truncated(NO_DATA)
    assert len(look_up("example.test", names.resolver())) == 250
    assert sorted(names.asked) == [("example.test.", kind, way) for kind in ("A", "AAAA") for way in ("TCP", "UDP")]


def test_what_is_no_answer_to_the_question_is_passed_over(names):
    names.scripts["example.test."] = after_forgeries(NO_DATA)
    names.scripts["example.test.", "A"] = after_forgeries(records("192.0.2.1"))
    assert look_up("example.test", names.resolver()) == [Address(V4, "192.0.2.1")]


def test_addresses_that_are_the_same_or_nobody_s_are_left_out(names):
    names.scripts["example.test.", "A"] = records("192.0.2.1", "0.0.0.0")
    names.scripts["example.test.", "AAAA"] = records("::ffff:192.0.2.1", "::")
    assert look_up("example.test", names.resolver()) == [Address(V4, "192.0.2.1")]


# Search domains: names, ndots, and what is asked for until there is an answer.
SEARCHES = {
    "relative": ("box", None, ["box.corp.test.", "box.lan.test."], "192.0.2.2"),
    "relative, known as it is": ("top", None, ["top.corp.test.", "top.lan.test.", "top."], "192.0.2.3"),
    "absolute": ("top.", None, ["top."], "192.0.2.3"),
    "absolute, unknown": ("box.", None, ["box."], None),
    "absolute in capitals": ("TOP.", None, ["top."], "192.0.2.3"),
    "with a dot": ("a.b", None, ["a.b."], "192.0.2.4"),
    "with a dot, unknown": ("x.y", None, ["x.y.", "x.y.corp.test."], "192.0.2.6"),
    "with a dot, of two": ("a.b", 2, ["a.b.corp.test."], "192.0.2.5"),
    "with a dot at the end, of two": ("a.b.", 2, ["a.b."], "192.0.2.4"),
    "relative, of none": ("top", 0, ["top."], "192.0.2.3"),
}


@pytest.mark.parametrize(("host", "ndots", "asked", "address"), SEARCHES.values(), ids=SEARCHES)
def test_search_domains_are_tried_as_ndots_says(names, host, ndots, asked, address):
    names.scripts |= {
        ("box.lan.test.", "A"): records("192.0.2.2"),
        ("top.", "A"): records("192.0.2.3"),
        ("a.b.", "A"): records("192.0.2.4"),
        ("a.b.corp.test.", "A"): records("192.0.2.5"),
        ("x.y.corp.test.", "A"): records("192.0.2.6"),
    }
    search = [dns.name.from_text(domain) for domain in ("corp.test.", "lan.test.")]
    resolver = names.resolver(search=search, ndots=ndots)
    if address is None:
        with pytest.raises(HostNameNotResolvedError, match="the name does not exist"):
            look_up(host, resolver)
    else:
        assert look_up(host, resolver) == [Address(V4, address)]
    assert names.names_asked("A") == asked


# Failures: script, error, what it says.
FAILURES = {
    "name error": (code(dns.rcode.NXDOMAIN), HostNameNotResolvedError, "the name does not exist"),
    "server failure": (code(dns.rcode.SERVFAIL), HostNameNotResolvedError, "the name servers failed: .*SERVFAIL"),
    "refused": (code(dns.rcode.REFUSED), HostNameNotResolvedError, "the name servers failed: .*REFUSED"),
    "no data": (NO_DATA, HostNameNotResolvedError, "the name exists but has no address of this kind"),
    "CNAME of nothing": (chain("one.test."), HostNameNotResolvedError, "the name exists but has no address"),
    "CNAME loop": (chain("one.test.", "example.test."), HostNameNotResolvedError, "the name servers failed: .*CNAME"),
    "silence": (silence, OperationTimedOutError, "the name servers did not answer in time"),
    "silence over TCP": (truncated(silence), HostNameNotResolvedError, "the name servers failed"),
    "nothing but forgeries": (after_forgeries(silence), OperationTimedOutError, "the name servers did not answer"),
}


@pytest.mark.parametrize(("script", "error", "words"), FAILURES.values(), ids=FAILURES)
def test_failures_are_told_apart(names, system, script, error, words):
    names.scripts["example.test."] = script
    lifetime = 0.3 if error is OperationTimedOutError else LIMIT
    with pytest.raises(error, match=rf"'example\.test' has no address: {words}") as caught:
        look_up("example.test", names.resolver(), Deadline(lifetime), at_once)
    is_timeout = error is OperationTimedOutError
    assert caught.value.hresult == (HResult.WININET_E_TIMEOUT if is_timeout else HResult.WININET_E_NAME_NOT_RESOLVED)
    assert caught.value.status is (WebErrorStatus.TIMEOUT if is_timeout else WebErrorStatus.HOST_NAME_NOT_RESOLVED)
    # A resolver of the application's own alone is asked.
    assert system.asked == []


@pytest.mark.parametrize(("kind", "text"), [("A", "0.0.0.0"), ("AAAA", "::")])
def test_a_name_that_the_name_server_blocks_has_no_address(names, kind, text):
    names.scripts["example.test."] = NO_DATA
    names.scripts["example.test.", kind] = records(text)
    with pytest.raises(HostNameNotResolvedError, match=f"the answer {text} is not an address to connect to"):
        look_up("example.test", names.resolver())


def test_the_lifetime_of_the_resolver_bounds_the_lookup_besides_the_deadline(names):
    names.scripts["example.test."] = silence
    with pytest.raises(OperationTimedOutError):
        look_up("example.test", names.resolver(lifetime=0.2), Deadline(LIMIT), at_once)


def test_what_both_kinds_say_alike_is_told_once(names):
    """Of silence dnspython tells how long it took, which is not the same for both."""

    class Silent:
        lifetime = LIMIT

        def resolve(self, host, kind, **_):
            seconds = {"A": 0.6, "AAAA": 0.7}[kind]
            raise dns.resolver.LifetimeTimeout(timeout=seconds, errors=[])

    with pytest.raises(OperationTimedOutError) as caught:
        look_up("example.test", Silent())
    assert caught.value.message == "the name 'example.test' has no address: the name servers did not answer in time"


def test_two_kinds_of_failure_are_both_told(names):
    names.scripts["example.test.", "A"] = code(dns.rcode.SERVFAIL)
    with pytest.raises(HostNameNotResolvedError, match=r"the name does not exist; the name servers failed"):
        look_up("example.test", names.resolver())


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "x" * 300])
def test_a_name_that_cannot_be_one_is_not_resolved(names, host):
    with pytest.raises(HostNameNotResolvedError):
        look_up(host, names.resolver())
    assert names.asked == []


def test_what_a_resolver_brings_must_be_addresses():
    class Odd:
        lifetime = LIMIT

        def resolve(self, host, kind, **_):
            return ["other.example"]

    with pytest.raises(HostNameNotResolvedError, match=r"the answer other\.example is not an address"):
        look_up("example.test", Odd())


# By the system.


def test_the_system_is_not_asked_when_the_name_servers_know_the_name(names, system, monkeypatch):
    names.scripts["example.test.", "A"] = records("192.0.2.1")
    assert look_up_by_default(monkeypatch, "example.test", names.resolver) == [Address(V4, "192.0.2.1")]
    assert system.asked == []


@pytest.mark.parametrize("script", [code(dns.rcode.NXDOMAIN), code(dns.rcode.SERVFAIL), NO_DATA, records("0.0.0.0")])
def test_the_system_is_asked_when_the_name_servers_know_nothing(names, system, monkeypatch, script):
    names.scripts["example.test."] = NO_DATA
    names.scripts["example.test.", "A"] = script
    system.answer = [
        ("2001:db8::1", 0, 0, 0),
        ("2001:db8::2", 0, 0, 0),
        ("192.0.2.1", 0),
        ("192.0.2.1", 0),
        ("::ffff:192.0.2.1", 0, 0, 0),
        ("0.0.0.0", 0),
    ]
    found = look_up_by_default(monkeypatch, "example.test", names.resolver)
    assert [address.text for address in found] == ["2001:db8::1", "192.0.2.1", "2001:db8::2"]
    assert system.asked == ["example.test"]


def test_the_interface_that_the_system_tells_of_is_kept(names, system, monkeypatch):
    """Names of one link (mDNS) have addresses that mean nothing without it."""
    system.answer = [("fe80::1", 0, 0, 3)]
    (address,) = look_up_by_default(monkeypatch, "printer.local", names.resolver)
    assert address == Address(V6, "fe80::1%3")


def test_families_that_the_system_knows_besides_are_left_out(names, monkeypatch):
    answers = [(99, socket.SOCK_STREAM, 0, "", (b"\0\0", 1)), (V4, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    assert look_up_by_default(monkeypatch, "example.test", names.resolver) == [Address(V4, "192.0.2.1")]


UNKNOWN_SERVERS = [
    dns.resolver.NoResolverConfiguration("no nameservers"),
    ValueError("nameserver x is no address"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    PermissionError(13, "Permission denied"),
]


@pytest.mark.parametrize("error", UNKNOWN_SERVERS, ids=lambda error: type(error).__name__)
def test_the_system_is_asked_when_its_name_servers_are_not_known(system, monkeypatch, error):
    def make_resolver():
        raise error

    with pytest.raises(HostNameNotResolvedError, match=r"the system's name servers are not known: .*Name or service"):
        look_up_by_default(monkeypatch, "example.test", make_resolver)
    system.answer = [("192.0.2.1", 0)]
    assert look_up_by_default(monkeypatch, "example.test", make_resolver) == [Address(V4, "192.0.2.1")]


def test_it_is_told_why_the_file_with_the_name_servers_cannot_be_opened(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "make_resolver", lambda: dns.resolver.Resolver(filename=str(tmp_path / "none")))
    answer = module.ask_name_servers("example.test", "A", FOREVER, None)
    assert f"[Errno {errno.ENOENT}]" in answer.problem


@pytest.mark.parametrize("number", [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_name_that_nobody_knows_is_an_error_that_says_why(names, system, monkeypatch, number):
    names.scripts["example.test."] = code(number)
    with pytest.raises(HostNameNotResolvedError, match=r"example\.test.*the system's resolver says: .*Name or service"):
        look_up_by_default(monkeypatch, "example.test", names.resolver)


@pytest.mark.parametrize(
    ("number", "error"), [(socket.EAI_AGAIN, OperationTimedOutError), (socket.EAI_NONAME, HostNameNotResolvedError)]
)
def test_silence_everywhere_is_a_timeout_unless_the_system_knows_better(names, system, monkeypatch, number, error):
    names.scripts["example.test."] = silence
    system.answer = socket.gaierror(number, "the system's words")
    with pytest.raises(error, match=r"did not answer in time .*the system's words"):
        look_up_by_default(monkeypatch, "example.test", lambda: names.resolver(lifetime=0.2))


def test_a_name_that_the_system_cannot_encode_is_not_resolved(names, system, monkeypatch):
    system.answer = UnicodeError("label empty or too long")
    with pytest.raises(HostNameNotResolvedError, match="label empty or too long"):
        look_up_by_default(monkeypatch, "a..b", names.resolver)


def test_descriptors_that_run_out_when_the_resolver_is_loaded_are_told(monkeypatch):
    class NoFile:
        def find_spec(self, *_):
            raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.delitem(sys.modules, "dns.exception")
    monkeypatch.setattr(sys, "meta_path", [NoFile()])
    with pytest.raises(CannotConnectError, match=r"no file descriptor.*Too many open files"):
        module.ask_name_servers("example.test", "A", FOREVER, None)


def test_the_system_s_own_settings_are_the_default(monkeypatch, tmp_path):
    settings = tmp_path / "resolv.conf"
    settings.write_text("nameserver 192.0.2.53\nsearch corp.test\noptions ndots:2\n")
    real = dns.resolver.Resolver
    monkeypatch.setattr(dns.resolver, "Resolver", lambda: real(filename=str(settings)))
    made = module.make_resolver()
    assert (made.nameservers, made.ndots) == (["192.0.2.53"], 2)
    assert made.search == [dns.name.from_text("corp.test.")]


# Who is asked first, and how long.


@pytest.mark.parametrize("host", ["printer.local", "Printer.LOCAL.", "a.printer.local"])
def test_a_name_under_local_goes_to_the_system_first(names, system, monkeypatch, host):
    system.answer = [("192.0.2.7", 0)]
    assert look_up_by_default(monkeypatch, host, names.resolver) == [Address(V4, "192.0.2.7")]
    assert system.asked == [host]
    assert names.asked == []


def test_a_name_under_local_that_the_system_does_not_know_goes_to_the_name_servers(names, system, monkeypatch):
    names.scripts["server.local."] = records("192.0.2.8")
    names.scripts["server.local.", "AAAA"] = NO_DATA
    found = look_up_by_default(monkeypatch, "server.local", names.resolver)
    assert found == [Address(V4, "192.0.2.8")]
    assert system.asked == ["server.local"]


@pytest.mark.parametrize("host", ["local", "local.test", "notlocal", "onion", "onion.test"])
def test_other_names_go_to_the_name_servers_first(names, system, monkeypatch, host):
    names.scripts[f"{host}."] = NO_DATA
    with pytest.raises(HostNameNotResolvedError, match=r"no address of this kind; the system"):
        look_up_by_default(monkeypatch, host, names.resolver)
    assert system.asked == [host]


@pytest.mark.parametrize("host", ["service.onion", "Service.ONION.", "a.service.onion"])
def test_nobody_is_asked_for_a_name_under_onion(names, system, monkeypatch, host):
    with pytest.raises(HostNameNotResolvedError, match=r"only known to Tor: .* socks5h://localhost:9050"):
        look_up_by_default(monkeypatch, host, names.resolver)
    assert names.asked == system.asked == []


def test_a_resolver_of_ones_own_is_asked_for_a_name_under_onion(names, system):
    names.scripts["service.onion."] = records("192.0.2.9")
    names.scripts["service.onion.", "AAAA"] = NO_DATA
    assert look_up("service.onion", names.resolver()) == [Address(V4, "192.0.2.9")]
    assert system.asked == []


def test_a_resolver_of_ones_own_alone_is_asked_for_a_name_under_local(names, system):
    names.scripts["server.local."] = NO_DATA
    with pytest.raises(HostNameNotResolvedError):
        look_up("server.local", names.resolver())
    assert system.asked == []


def lifetimes(monkeypatch, deadline, resolver=None):
    """Return for how long name servers are asked."""
    seen = []

    class Silent:
        lifetime = 60.0

        def resolve(self, *_, lifetime, **__):
            seen.append(lifetime)
            raise dns.exception.Timeout

    monkeypatch.setattr(module, "make_resolver", Silent)
    with pytest.raises((HostNameNotResolvedError, OperationTimedOutError)):
        module.look_up("server.test", deadline, None if resolver is None else Silent(), in_turn)
    return seen


def test_silent_name_servers_leave_the_system_its_half_of_the_time(system, monkeypatch):
    monkeypatch.setattr(deadline_module, "clock", lambda: 1000.0)
    assert lifetimes(monkeypatch, Deadline(3)) == [1.5, 1.5]
    assert system.asked == ["server.test"]
    assert lifetimes(monkeypatch, FOREVER) == [60.0, 60.0]
    # Behind one of the application's own comes nobody.
    assert lifetimes(monkeypatch, Deadline(3), resolver=True) == [3.0, 3.0]
