"""Tests of both information classes and BandwidthStatistics."""

import gc
import ssl
import threading

import pytest
import trustme
from support import (
    LIMIT,
    acceptance,
    drop,
    echo,
    handshake,
    read_frame,
    read_request,
    running_server,
    scripted_server,
    server_frame,
    wait,
)
from support.scripts import BINARY, CLOSE, connected, round_trip, uri_of_nobody

from syncws import (
    BandwidthStatistics,
    Certificate,
    CloseCause,
    HostName,
    HostNameType,
    HttpHeaders,
    MessageWebSocket,
    MessageWebSocketInformation,
    OperationTimedOutError,
    SocketSslErrorSeverity,
    StreamWebSocket,
    StreamWebSocketInformation,
)

SOCKETS = [MessageWebSocket, StreamWebSocket]
each_socket = pytest.mark.parametrize("socket_class", SOCKETS)
# Every fact, and what it is before connect.
FACTS = {
    "local_address": None,
    "remote_address": None,
    "proxy": None,
    "protocol": "",
    "response_headers": {},
    "server_certificate": None,
    "server_certificate_error_severity": SocketSslErrorSeverity.NONE,
    "server_certificate_errors": (),
    "server_intermediate_certificates": (),
    "bandwidth_statistics": BandwidthStatistics(),
    "bytes_received": 0,
    "bytes_sent": 0,
    "bytes_buffered_in": 0,
    "bytes_pending_out": 0,
    "handler_failures": 0,
    "discarded_messages": 0,
    "round_trip_time": None,
    "close_cause": CloseCause.NONE,
    "close_code": None,
    "close_reason": "",
    "connected_at": None,
    "connected_seconds": None,
    "connect_times": None,
    "tls_version": None,
    "tls_cipher": None,
    "messages_received": 0,
    "messages_sent": 0,
    "frames_received": 0,
    "frames_sent": 0,
    "compression": None,
}


@pytest.mark.parametrize("cls", [MessageWebSocketInformation, StreamWebSocketInformation])
def test_an_information_object_cannot_be_made(cls):
    with pytest.raises(TypeError, match=rf"use {cls.__name__.removesuffix('Information')}\.information"):
        cls()


@pytest.mark.parametrize("cls", [MessageWebSocketInformation, StreamWebSocketInformation])
def test_both_classes_have_the_same_members(cls):
    assert sorted(name for name in dir(cls) if not name.startswith("_")) == sorted([*FACTS, "as_dict"])


@each_socket
def test_a_socket_has_one_information_object(socket_class):
    socket = socket_class()
    assert type(socket.information).__name__ == f"{socket_class.__name__}Information"
    assert socket.information is socket.information


@each_socket
def test_information_cannot_be_assigned(socket_class):
    socket = socket_class()
    with pytest.raises(AttributeError):
        socket.information = socket.information


@pytest.mark.parametrize("name", FACTS)
@each_socket
def test_facts_are_read_only(socket_class, name):
    with pytest.raises(AttributeError):
        setattr(socket_class().information, name, 1)


@pytest.mark.parametrize("name", FACTS)
@each_socket
def test_facts_can_be_read_before_connect(socket_class, name):
    assert getattr(socket_class().information, name) == FACTS[name]


@pytest.mark.parametrize("name", FACTS)
@each_socket
def test_facts_can_be_read_after_a_failed_connect(socket_class, name):
    socket = socket_class()
    with pytest.raises(OSError, match="HRESULT"):
        socket.connect(uri_of_nobody())
    assert getattr(socket.information, name) == FACTS[name]


def test_local_address_is_our_ip_address():
    with connected(echo, run=running_server) as socket:
        address = socket.information.local_address
    assert isinstance(address, HostName)
    assert address == HostName("127.0.0.1")
    assert address.type is HostNameType.IPV4


def test_protocol_is_the_one_that_the_server_chose():
    with running_server(echo, subprotocols=["two"]) as uri, MessageWebSocket() as socket:
        socket.control.supported_protocols.extend(["one", "two"])
        socket.connect(uri)
        assert socket.information.protocol == "two"


def test_protocol_is_empty_when_none_was_chosen():
    with connected(echo, run=running_server) as socket:
        assert socket.information.protocol == ""


@each_socket
def test_the_headers_of_the_answer_can_be_read_after_connect_and_after_close(socket_class):
    def script(connection):
        handshake(connection, "Set-Cookie: a=1", "X-Request-Id: 7f", "set-cookie: b=2; Expires=Wed, 09 Jun 2027")
        read_frame(connection)
        connection.sendall(server_frame(CLOSE, b"\x03\xe8"))

    with scripted_server(script) as uri, socket_class() as socket:
        socket.connect(uri)
        headers = socket.information.response_headers
        assert type(headers) is HttpHeaders
        assert headers["X-REQUEST-ID"] == "7f"
        assert headers.get_all("Set-Cookie") == ["a=1", "b=2; Expires=Wed, 09 Jun 2027"]
        socket.close()
    assert socket.information.response_headers == headers


def counting_script(counts):
    """Count the bytes of both directions up to the end of both Close frames."""

    def script(connection):
        request = read_request(connection)
        answer = acceptance(request) + server_frame(BINARY, bytes(300))
        connection.sendall(answer)
        _, payload = read_frame(connection)
        assert payload == b"x" * 200
        _, payload = read_frame(connection)
        close = server_frame(CLOSE, payload)
        connection.sendall(close)
        # 2 + 2 + 4 bytes of header and mask for 200 bytes, 2 + 4 for an empty Close frame.
        counts["sent"] = len(request) + 208 + 6
        counts["received"] = len(answer) + len(close)

    return script


def exchange(counts, tls=(None, None)):
    """Receive a message, send one and close; return the socket."""
    with connected(counting_script(counts), tls=tls) as socket:
        assert socket.receive() == bytes(300)
        socket.send(b"x" * 200)
        socket.close()
    return socket


def test_the_byte_counts_are_those_that_went_over_tcp():
    counts = {}
    socket = exchange(counts)
    assert socket.information.bytes_sent == counts["sent"]
    assert socket.information.bytes_received == counts["received"]


def test_the_byte_counts_of_wss_hold_what_tls_adds(server_tls, client_tls):
    counts = {}
    socket = exchange(counts, (server_tls, client_tls))
    assert socket.information.bytes_sent > counts["sent"]
    assert socket.information.bytes_received > counts["received"]


def test_bandwidth_is_estimated_in_both_directions_once_bytes_have_moved():
    with connected(echo, run=running_server) as socket:
        socket.send(bytes(100_000))
        assert len(socket.receive()) == 100_000
        statistics = socket.information.bandwidth_statistics
    assert statistics.outbound_bits_per_second > 0
    assert statistics.inbound_bits_per_second > 0


def test_facts_can_be_read_after_close():
    with running_server(echo, subprotocols=["chat"]) as uri, MessageWebSocket() as socket:
        socket.control.supported_protocols.append("chat")
        socket.connect(uri)
        before = socket.information.bytes_sent
        socket.close()
    assert socket.information.local_address == HostName("127.0.0.1")
    assert socket.information.protocol == "chat"
    assert socket.information.bytes_sent > before
    assert socket.information.bandwidth_statistics.outbound_bits_per_second > 0


def test_facts_outlive_the_socket_object():
    with connected(echo, run=running_server) as socket:
        information = socket.information
    del socket
    gc.collect()
    assert information.local_address == HostName("127.0.0.1")
    assert information.remote_address == HostName("127.0.0.1")


def test_the_information_object_does_not_keep_a_dropped_socket_alive():
    with running_server(echo) as uri:
        holder = [MessageWebSocket()]
        holder[0].connect(uri)
        information = holder[0].information
        with pytest.warns(ResourceWarning, match="dropped without close"):
            drop(holder)
    assert information.bytes_sent > 0


@each_socket
def test_repr_shows_the_facts(socket_class):
    assert (
        repr(socket_class().information) == f"<{socket_class.__name__}Information local_address=None "
        "messages_received=0 messages_sent=0 bytes_received=0 bytes_sent=0>"
    )


# What is buffered.


def buffering_script(arrived):
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(BINARY, b"x" * 300) + server_frame(BINARY, b"y" * 50, fin=False))
        round_trip(connection)
        arrived.set()
        connection.sendall(server_frame(CLOSE, read_frame(connection)[1]))

    return script


def test_of_whole_messages_only_complete_ones_count_as_buffered():
    arrived = threading.Event()
    with connected(buffering_script(arrived)) as socket:
        wait(arrived)
        assert socket.information.bytes_buffered_in == 300
        assert socket.receive() == b"x" * 300
        assert socket.information.bytes_buffered_in == 0


def test_of_a_stream_every_byte_that_was_not_read_counts_as_buffered():
    arrived = threading.Event()
    with connected(buffering_script(arrived), socket_class=StreamWebSocket) as socket:
        wait(arrived)
        assert socket.information.bytes_buffered_in == 350
        socket.input_stream.read(bytearray(320), 320)
        assert socket.information.bytes_buffered_in == 30
        socket.close()
        assert socket.information.bytes_buffered_in == 0


@each_socket
def test_what_a_peer_does_not_take_is_pending_out(socket_class):
    taken = threading.Event()
    payload = bytes(50_000_000)

    def script(connection):
        handshake(connection)
        wait(taken)

    with connected(script, socket_class=socket_class, send_timeout=0.1, close_timeout=0.1) as socket:
        with pytest.raises(OperationTimedOutError) as raised:
            socket.output_stream.write(payload)
        assert raised.value.is_queued is True
        assert 0 < socket.information.bytes_pending_out < len(payload)
        socket.abort()
        taken.set()
        assert socket.wait_closed(LIMIT)
    assert socket.information.bytes_pending_out == 0


# BandwidthStatistics.


def test_bandwidth_statistics_are_zeros_by_default():
    assert BandwidthStatistics().unpack() == (0, 0, 0, 0, False, False)


def test_bandwidth_statistics_take_their_fields_in_the_order_of_the_struct():
    statistics = BandwidthStatistics(1, 2, 3, 4, True, False)
    assert statistics.outbound_bits_per_second == 1
    assert statistics.inbound_bits_per_second == 2
    assert statistics.outbound_bits_per_second_instability == 3
    assert statistics.inbound_bits_per_second_instability == 4
    assert statistics.outbound_bandwidth_peaked is True
    assert statistics.inbound_bandwidth_peaked is False
    assert statistics.unpack() == (1, 2, 3, 4, True, False)
    assert type(statistics.unpack()) is tuple


def test_bandwidth_statistics_cannot_be_changed():
    with pytest.raises(AttributeError):
        BandwidthStatistics().inbound_bits_per_second = 1


def test_bandwidth_statistics_of_the_same_fields_are_equal():
    assert BandwidthStatistics(1, 2) == BandwidthStatistics(1, 2)
    assert hash(BandwidthStatistics(1, 2)) == hash(BandwidthStatistics(1, 2))
    assert BandwidthStatistics(1, 2) != BandwidthStatistics(2, 1)


@each_socket
def test_the_server_s_certificates_can_be_looked_at_as_long_as_the_socket_lives(socket_class):
    root = trustme.CA()
    issued = root.create_child_ca().issue_cert("localhost")
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(server_context)
    client_context = ssl.create_default_context()
    root.configure_trust(client_context)
    with connected(echo, socket_class=socket_class, run=running_server, tls=(server_context, client_context)) as socket:
        while_connected = socket.information.server_certificate
    certificate = socket.information.server_certificate
    (intermediate,) = socket.information.server_intermediate_certificates
    sent = [ssl.PEM_cert_to_DER_cert(pem.bytes().decode()) for pem in issued.cert_chain_pems[:2]]
    assert [certificate.get_certificate_blob(), intermediate.get_certificate_blob()] == sent
    assert certificate is while_connected
    assert isinstance(certificate, Certificate)
