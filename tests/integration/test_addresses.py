"""Addresses from the URI to a connection: zone ids, mapped addresses, and a real run into black holes."""

import ipaddress
import socket as tcp
import ssl
import sys
import time
from pathlib import Path

import pytest
from support import LIMIT, black_hole, can_listen, request_headers, scripted_server
from support.dns_server import dns_server, ipv4

from syncws import CannotConnectError, HResult, MessageWebSocket, OperationTimedOutError, WebErrorStatus
from syncws._net import hosts_file


def link_local():
    """Return one of this machine's link-local addresses and the name of its interface, or None."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        number, _, _, scope, _, name = line.split()
        address = ipaddress.IPv6Address(int(number, 16))
        if scope == "20" and can_listen(f"{address}%{name}"):
            return str(address), name
    return None


LINK_LOCAL = link_local()
needs_ipv6 = pytest.mark.skipif(not can_listen("::1"), reason="this machine has no ::1")
needs_link_local = pytest.mark.skipif(LINK_LOCAL is None, reason="this machine has no link-local IPv6 address")


def connect_to(uri, **control):
    """Connect; return the address that was connected to."""
    with MessageWebSocket() as socket:
        for name, value in control.items():
            setattr(socket.control, name, value)
        socket.connect(uri, timeout=LIMIT)
        address = socket.information.remote_address.canonical_name
        socket.abort()
    return address


@needs_ipv6
def test_loopback_of_ipv6_is_connected_to(serve, requests):
    with scripted_server(serve, address="::1") as uri:
        assert connect_to(uri.replace("localhost", "[::1]")) == "::1"
    assert request_headers(requests[0])["host"].startswith("[::1]:")


@needs_ipv6
def test_localhost_that_listens_on_ipv6_alone_is_connected_to(serve):
    for _ in range(10):
        with scripted_server(serve, address="::1") as uri, tcp.socket() as nobody:
            try:
                # Bound and not listening: no other program of the machine answers there.
                nobody.bind(("127.0.0.1", int(uri.rstrip("/").rpartition(":")[2])))
            except OSError:
                continue
            assert connect_to(uri) == "::1"
            return
    raise AssertionError("each port that was tried was taken on 127.0.0.1")


@pytest.fixture(params=["%25{name}", "%{name}", "%25{index}", "%{escaped}"])
def zone(request):
    """The zone id of the link-local address, in each way in which a URI can have it."""
    name = LINK_LOCAL[1]
    escaped = "".join(f"%{byte:02x}" for byte in name.encode())
    return request.param.format(name=name, index=tcp.if_nametoindex(name), escaped=escaped)


@needs_link_local
def test_a_zone_id_is_for_connecting_and_not_for_the_host_header(serve, requests, zone):
    address, name = LINK_LOCAL
    with scripted_server(serve, address=f"{address}%{name}") as uri:
        assert connect_to(uri.replace("localhost", f"[{address}{zone}]")).startswith(f"{address}%")
        port = uri.rstrip("/").rpartition(":")[2]
    assert request_headers(requests[0])["host"] == f"[{address}]:{port}"


@needs_link_local
def test_a_zone_id_is_not_for_the_certificate(authority, client_tls, serve, zone):
    address, name = LINK_LOCAL
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(address).configure_cert(context)
    server_names = []
    context.sni_callback = lambda _, server_name, __: server_names.append(server_name)
    with scripted_server(serve, address=f"{address}%{name}", ssl_context=context) as uri:
        connect_to(uri.replace("localhost", f"[{address}{zone}]"), ssl_context=client_tls)
    # An address is never sent (RFC 6066 3).
    assert server_names == [None]


@pytest.mark.parametrize("zone", ["%25nowhere", "%nowhere", "%25999999", "%25no%2Dwhere"])
def test_a_zone_that_does_not_exist_fails_as_an_address_that_cannot_be_connected_to(zone):
    with MessageWebSocket() as socket:
        with pytest.raises(CannotConnectError, match=r"this system has no network interface '(no-?where|999999)'") as e:
            socket.connect(f"ws://[fe80::1{zone}]:8765/", timeout=LIMIT)
        assert e.value.hresult == HResult.WININET_E_CANNOT_CONNECT
        assert e.value.status is WebErrorStatus.CANNOT_CONNECT
        assert [attempt.address.partition("%")[0] for attempt in e.value.attempts] == ["fe80::1"]


def test_an_ipv4_mapped_address_is_connected_to_by_ipv4(serve, requests):
    with scripted_server(serve) as uri:
        assert connect_to(uri.replace("localhost", "[::ffff:127.0.0.1]")) == "127.0.0.1"
    assert request_headers(requests[0])["host"].startswith("[::ffff:127.0.0.1]:")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only some systems take 0.0.0.0 for themselves")
def test_the_address_of_nobody_is_left_to_the_system_when_a_uri_has_it(serve):
    with scripted_server(serve) as uri:
        assert connect_to(uri.replace("localhost", "0.0.0.0")) == "0.0.0.0"


@pytest.mark.slow
@pytest.mark.parametrize(("delay", "tried"), [(None, 1), (0.1, 5)], ids=["in turn", "happy eyeballs"])
def test_five_black_holes_are_given_up_after_the_time_limit(monkeypatch, tmp_path, delay, tried):
    """The one run in real time: everything else that has to do with limits turns the clock."""
    monkeypatch.setattr(hosts_file, "hosts_file", lambda: tmp_path / "none")
    texts = [f"127.0.0.{last}" for last in range(1, 6)]
    with black_hole() as port, dns_server() as names, MessageWebSocket() as socket:
        names.scripts["five.test."] = ipv4(*texts)
        socket.control.resolver = names.resolver()
        socket.control.happy_eyeballs_delay = delay
        started = time.monotonic()
        with pytest.raises(OperationTimedOutError, match=r"connecting to 127\.0\.0\.\d port") as caught:
            socket.connect(f"ws://five.test:{port}/", timeout=2)
        seconds = time.monotonic() - started
    attempts = caught.value.attempts
    assert len({attempt.address for attempt in attempts} & set(texts)) == len(attempts) == tried
    assert {type(attempt.error) for attempt in attempts} == {OperationTimedOutError}
    assert caught.value.status is WebErrorStatus.TIMEOUT
    # Well below the ten seconds that five addresses with two seconds each would take.
    assert 2.0 <= seconds < 8
