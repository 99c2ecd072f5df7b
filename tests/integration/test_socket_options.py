"""control.local_address and control.socket_options: what the socket beneath a connection is given."""

import errno
import socket as sockets

import pytest
from support import LIMIT, echo, running_server
from support.proxies import closed_port, playing_both, scripted_proxy

import syncws
from syncws import (
    CannotConnectError,
    HResult,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    MessageWebSocket,
    StreamWebSocket,
)
from syncws._arguments.socket_options import shown_option

KEEP_ALIVE = (sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)


def raw_socket(socket):
    """Return the socket beneath a connection."""
    return socket._session.transport._socket


# The local address.


@pytest.mark.parametrize("port", [0, "free"])
@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_a_connection_comes_from_the_address_and_the_port(make, port):
    if port == "free":
        with sockets.create_server(("127.0.0.9", 0)) as listener:
            port = listener.getsockname()[1]
    with running_server(echo) as uri, make() as socket:
        socket.control.local_address = ("127.0.0.9", port)
        socket.connect(uri, timeout=LIMIT)
        assert socket.information.local_address.canonical_name == "127.0.0.9"
        assert port in (0, raw_socket(socket).getsockname()[1])


def test_an_address_alone_leaves_the_port_to_the_system():
    with running_server(echo) as uri, syncws.connect(uri, local_address="127.0.0.9") as socket:
        assert socket.information.local_address.canonical_name == "127.0.0.9"


def test_the_way_to_a_proxy_comes_from_it_too():
    with scripted_proxy(playing_both([])) as proxy:
        socket = syncws.connect("ws://server.invalid/", proxy=proxy, local_address="127.0.0.9", timeout=LIMIT)
        socket.abort()
    assert socket.information.local_address.canonical_name == "127.0.0.9"


@pytest.mark.parametrize("local", ["::1", "::"])
def test_an_address_of_the_other_family_is_passed_over(local):
    with running_server(echo) as uri, pytest.raises(CannotConnectError) as caught:
        syncws.connect(uri.replace("localhost", "127.0.0.1"), local_address=local)
    assert f"control.local_address {local} is of the other address family" in str(caught.value)
    assert caught.value.hresult == HResult.WININET_E_SERVER_UNREACHABLE
    # localhost has addresses of both.
    with pytest.raises(CannotConnectError) as caught:
        syncws.connect(f"ws://localhost:{closed_port()}/", local_address="127.0.0.1")
    assert [attempt.error.errno for attempt in caught.value.attempts] == [errno.ECONNREFUSED, errno.EAFNOSUPPORT]


def test_an_address_that_this_machine_does_not_have_is_named():
    with running_server(echo) as uri, pytest.raises(CannotConnectError) as caught:
        syncws.connect(uri.replace("localhost", "127.0.0.1"), local_address="192.0.2.1")
    assert "control.local_address 192.0.2.1 port 0 cannot be used: " in str(caught.value)
    assert caught.value.attempts[0].error.errno == errno.EADDRNOTAVAIL


def test_a_port_that_is_taken_is_named_and_reuseaddr_shares_it_with_what_is_over():
    with sockets.create_server(("127.0.0.9", 0)) as listener, running_server(echo) as uri:
        port = listener.getsockname()[1]
        with pytest.raises(CannotConnectError, match=rf"local_address 127\.0\.0\.9 port {port} cannot be used"):
            syncws.connect(uri, local_address=("127.0.0.9", port))
    with running_server(echo) as first, running_server(echo) as second:
        # Two servers: the same two ends would have to wait for the system's clock to move on.
        for uri in (first, second):
            # Our side ends first, so its port waits for stragglers.
            socket = syncws.connect(uri, local_address=("127.0.0.9", port), socket_options=[("SO_REUSEADDR", 1)])
            socket.abort()
            assert socket.wait_closed(LIMIT)


@pytest.mark.skipif(not hasattr(sockets, "AF_UNIX"), reason="there are no Unix sockets here")
def test_a_unix_socket_has_none(tmp_path):
    listener = sockets.socket(sockets.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    with listener, pytest.raises(syncws.OperationTimedOutError):
        syncws.unix_connect(tmp_path / "s", local_address="127.0.0.9", timeout=0.2)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("localhost", InvalidArgumentError),
        ("", InvalidArgumentError),
        ("127.0.0.1:80", InvalidArgumentError),
        (("127.0.0.1", 65536), InvalidArgumentError),
        (("127.0.0.1", -1), InvalidArgumentError),
        (("127.0.0.1", "80"), InvalidArgumentTypeError),
        (("127.0.0.1", 80, 0), InvalidArgumentTypeError),
        ((2130706433, 80), InvalidArgumentTypeError),
        (2130706433, InvalidArgumentTypeError),
        (b"127.0.0.1", InvalidArgumentTypeError),
    ],
)
def test_what_is_no_address_is_refused(value, error):
    control = MessageWebSocket().control
    with pytest.raises(error, match="local_address"):
        control.local_address = value
    assert control.local_address is None


@pytest.mark.parametrize("value", ["192.0.2.1", "::1", "fe80::1%lo", ("192.0.2.1", 5000), None])
def test_an_address_is_kept_as_it_was_given(value):
    control = MessageWebSocket().control
    control.local_address = value
    assert control.local_address == value


# Socket options.


@pytest.mark.parametrize("option", [KEEP_ALIVE, ("SO_KEEPALIVE", 1), ("SO_KEEPALIVE", True)])
def test_an_option_is_set_as_a_triple_or_by_name(option):
    with running_server(echo) as uri, syncws.connect(uri, socket_options=[option]) as socket:
        assert raw_socket(socket).getsockopt(*KEEP_ALIVE[:2]) == 1
        assert tuple(socket.control.socket_options) == (KEEP_ALIVE,)
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        assert raw_socket(socket).getsockopt(*KEEP_ALIVE[:2]) == 0


@pytest.mark.skipif(not hasattr(sockets, "TCP_USER_TIMEOUT"), reason="this system has no such option")
def test_tcp_s_user_timeout_is_set_by_name():
    with running_server(echo) as uri, syncws.connect(uri, socket_options=[("TCP_USER_TIMEOUT", 30_000)]) as socket:
        assert raw_socket(socket).getsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT) == 30_000


def test_options_come_after_our_own_and_in_their_order():
    options = [("TCP_NODELAY", 0), ("SO_KEEPALIVE", 1), ("SO_KEEPALIVE", 0)]
    with running_server(echo) as uri, syncws.connect(uri, socket_options=options) as socket:
        assert raw_socket(socket).getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY) == 0
        assert raw_socket(socket).getsockopt(*KEEP_ALIVE[:2]) == 0


def test_the_list_is_edited_in_place():
    control = MessageWebSocket().control
    control.socket_options += [("SO_KEEPALIVE", 1)]
    control.socket_options.append((sockets.SOL_SOCKET, sockets.SO_RCVBUF, b"\0\0\1\0"))
    assert list(control.socket_options) == [KEEP_ALIVE, (sockets.SOL_SOCKET, sockets.SO_RCVBUF, b"\0\0\1\0")]


def test_an_option_that_the_system_refuses_is_named():
    with running_server(echo) as uri, pytest.raises(CannotConnectError) as caught:
        syncws.connect(uri, socket_options=[("TCP_MAXSEG", 1)])
    assert "control.socket_options: TCP_MAXSEG cannot be set: " in str(caught.value)


@pytest.mark.skipif(not hasattr(sockets, "TCP_USER_TIMEOUT"), reason="of Linux")
def test_an_option_that_a_given_socket_refuses_ends_the_connect_and_the_socket():
    ours, theirs = sockets.socketpair()
    with theirs:
        with pytest.raises(CannotConnectError, match="TCP_USER_TIMEOUT cannot be set"):
            syncws.connect("ws://localhost/", socket=ours, socket_options=[("TCP_USER_TIMEOUT", 1)])
        assert theirs.recv(1) == b""


@pytest.mark.parametrize(
    ("option", "error"),
    [
        (("SO_NOTHING", 1), InvalidArgumentError),
        (("AF_INET", 1), InvalidArgumentError),
        (("has_ipv6", 1), InvalidArgumentError),
        ((1, 9, 1 << 31), InvalidArgumentError),
        ((1 << 31, 9, 1), InvalidArgumentError),
        ((1, 9), InvalidArgumentTypeError),
        ((1, 9, 1, 1), InvalidArgumentTypeError),
        ([1, 9, 1], InvalidArgumentTypeError),
        ((1, 9, "1"), InvalidArgumentTypeError),
        (("SO_KEEPALIVE", None), InvalidArgumentTypeError),
        ("SO_KEEPALIVE", InvalidArgumentTypeError),
        (None, InvalidArgumentTypeError),
    ],
)
def test_what_is_no_option_is_refused(option, error):
    control = MessageWebSocket().control
    with pytest.raises(error, match="socket option"):
        control.socket_options.append(option)
    assert list(control.socket_options) == []


def test_an_error_about_an_option_says_that_bytes_are_taken_too():
    told = "a socket option's value must be an int or bytes, not str"
    with pytest.raises(InvalidArgumentTypeError, match=told):
        MessageWebSocket().control.socket_options.append((sockets.SOL_SOCKET, 25, "eth0"))


@pytest.mark.parametrize("value", ["SO_KEEPALIVE", b"x", None, 5])
def test_what_is_no_sequence_is_refused(value):
    with pytest.raises(InvalidArgumentTypeError, match="socket_options must be a sequence"):
        MessageWebSocket().control.update(socket_options=value)


def test_an_option_without_a_name_is_shown_by_its_numbers():
    assert shown_option(77, 3) == "(77, 3)"
    assert shown_option(sockets.SOL_SOCKET, 123456) == f"({sockets.SOL_SOCKET:d}, 123456)"
