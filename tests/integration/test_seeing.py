"""What a program sees: reprs in one line, tables for notebooks, counts, times, TLS; and no secret in any of them."""

import datetime as dt
import http.cookiejar
import json
import threading

import pytest
from support import (
    LIMIT,
    echo,
    handshake,
    read_frame,
    read_to_end,
    running_server,
    scripted_server,
    server_frame,
    wait,
)
from support.proxies import real_proxy
from support.scripts import BINARY, CLOSE, CONTINUATION, PING, TEXT, connected, read_until_close

import syncws
from syncws import (
    CertificateError,
    ConnectTimes,
    HttpHeaders,
    MessageWebSocket,
    MessageWebSocketReceiveMode,
    PasswordCredential,
    StreamWebSocket,
)
from syncws._arguments.showing import as_html, plain
from syncws._wire.shown import HIDDEN, shown_protocol
from syncws._wire.tally import Tally

SECRET = "s3cret"


# Counts.


def counts(information):
    return (
        information.messages_received,
        information.frames_received,
        information.messages_sent,
        information.frames_sent,
    )


FRAMES = {
    "small": ([server_frame(TEXT, b"a"), server_frame(BINARY, b"b")], 2, 2),
    "large": ([server_frame(BINARY, b"x" * 70000)], 1, 1),
    "middle": ([server_frame(TEXT, b"x" * 200)], 1, 1),
    "fragments": (
        [server_frame(TEXT, b"a", fin=False), server_frame(CONTINUATION, b"b", fin=False), server_frame(CONTINUATION)],
        1,
        3,
    ),
    "pings between": (
        [server_frame(TEXT, b"a", fin=False), server_frame(PING), server_frame(CONTINUATION, b"b"), server_frame(PING)],
        1,
        4,
    ),
    "empty": ([server_frame(TEXT), server_frame(BINARY)], 2, 2),
}


@pytest.mark.parametrize("is_split", [False, True])
@pytest.mark.parametrize("mode", list(MessageWebSocketReceiveMode))
@pytest.mark.parametrize("kind", FRAMES)
def test_what_comes_is_counted(kind, mode, is_split):
    frames, messages, count = FRAMES[kind]
    data = b"".join(frames)
    size = 1000 if is_split else len(data)
    arrived = threading.Event()

    def script(connection):
        handshake(connection)
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
        connection.sendall(server_frame(PING, b"end"))
        # When its answer comes all before it has been read.
        while read_frame(connection)[1] != b"end":
            pass
        arrived.set()
        read_until_close(connection)

    with connected(script, receive_mode=mode) as socket:
        wait(arrived)
        assert counts(socket.information)[:2] == (messages, count + 1)


def test_a_frame_that_has_begun_counts_and_its_message_does_not():
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"a") + server_frame(BINARY, b"x" * 300)[:100])
        read_until_close(connection)

    with connected(script) as socket:
        assert socket.receive(LIMIT) == "a"
        assert counts(socket.information)[:2] == (1, 2)


@pytest.mark.parametrize("size", [5, 200, 70_000, 1 << 20])
def test_what_goes_is_counted_message_by_message(size):
    with running_server(echo) as uri, syncws.connect(uri, max_message_size=1 << 21) as socket:
        for _ in range(3):
            socket.send(b"x" * size)
            socket.receive(LIMIT)
        assert counts(socket.information) == (3, 3, 3, 3)
        socket.ping(timeout=LIMIT)
        assert counts(socket.information) == (3, 4, 3, 4)
    assert counts(socket.information) == (3, 5, 3, 5)


def test_fragments_that_go_are_counted():
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        socket.send_nonfinal_frame(b"a")
        assert counts(socket.information)[2:] == (0, 1)
        socket.send_final_frame(b"b")
        assert socket.receive(LIMIT) == b"ab"
        assert counts(socket.information)[2:] == (1, 2)
    with running_server(echo) as uri, StreamWebSocket() as socket:
        socket.connect(uri)
        # Three fragments.
        socket.output_stream.write(b"x" * 150_000)
        assert counts(socket.information)[2:] == (1, 3)


def test_messages_before_bad_text_are_counted():
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(TEXT, b"a") * 3 + server_frame(TEXT, b"\xff"))
        read_to_end(connection)

    with connected(script) as socket:
        with pytest.raises(syncws.ProtocolViolationError):
            list(socket)
        assert socket.information.messages_received == 3


def test_a_tally_adds_up():
    tally = Tally()
    tally.whole, tally.begun, tally.ended, tally.controls = 5, 4, 2, 1
    assert (tally.messages, tally.frames) == (7, 10)


# Times and TLS.


def test_the_times_of_each_phase_and_of_the_connection():
    before = dt.datetime.now(dt.UTC)
    with running_server(echo) as uri, syncws.connect(uri) as socket:
        information = socket.information
        assert before <= information.connected_at <= dt.datetime.now(dt.UTC)
        times = information.connect_times
        assert times.proxy is None
        assert times.tls is None
        assert min(times.lookup, times.tcp, times.handshake) >= 0
        assert times.lookup + times.tcp + times.handshake <= times.total < LIMIT
        assert 0 <= information.connected_seconds < LIMIT
    ended = information.connected_seconds
    assert information.connected_seconds == ended
    assert (information.tls_version, information.tls_cipher) == (None, None)


def test_tls_and_the_proxy_have_phases_of_their_own(server_tls, client_tls):
    with (
        running_server(echo, ssl_context=server_tls) as uri,
        real_proxy("http") as address,
        syncws.connect(uri, ssl_context=client_tls, proxy=f"http://{address}", timeout=LIMIT) as socket,
    ):
        information = socket.information
        assert min(information.connect_times.tls, information.connect_times.proxy) > 0
        assert information.tls_version == "TLSv1.3"
        assert information.tls_cipher.startswith("TLS_")


# In one line.


@pytest.mark.parametrize("make", [MessageWebSocket, StreamWebSocket])
def test_a_socket_s_repr_is_one_line_of_what_matters(make):
    name = make.__name__
    with running_server(echo, subprotocols=["chat"]) as uri, make() as socket:
        assert repr(socket) == f"<{name} NEW>"
        socket.control.supported_protocols.append("chat")
        socket.connect(f"{uri}path?token={SECRET}")
        socket.output_stream.write(b"x")
        while not socket.information.messages_received:
            socket.ping(timeout=LIMIT)
        assert repr(socket) == f"<{name} CONNECTED uri={uri}path?… protocol=chat received=1 sent=1>"
        socket.close(3000, "done\n")
        shown = f"uri={uri}path?… protocol=chat received=1 sent=1 ended=LOCAL code=3000 reason=done\\n"
        assert repr(socket) == f"<{name} CLOSED {shown}>"


def test_a_socket_that_the_server_closed_says_so():
    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(CLOSE, b"\x03\xf4going\x1b[31m"))
        read_to_end(connection)

    with connected(script) as socket:
        assert list(socket) == []
        assert "ended=PEER code=1012 reason=going\\x1b[31m>" in repr(socket)


def test_a_failed_connect_leaves_a_new_socket():
    socket = MessageWebSocket()
    with pytest.raises(syncws.CannotConnectError):
        socket.connect("ws://127.0.0.1:9/")
    assert repr(socket) == "<MessageWebSocket NEW>"


def test_a_control_s_repr_has_the_settings_that_are_not_as_they_were():
    control = MessageWebSocket().control
    assert repr(control) == "<MessageWebSocketControl settable>"
    control.connect_timeout = 5
    control.socket_options += [("SO_KEEPALIVE", 1)]
    assert repr(control).startswith("<MessageWebSocketControl settable connect_timeout=5.0 socket_options=[(")


# Without secrets.


def secretive():
    """Return a control that is full of secrets."""
    control = MessageWebSocket().control
    control.cookies = {"id": SECRET}
    control.proxy = f"http://user:{SECRET}@proxy:1"
    control.server_credential = control.proxy_credential = PasswordCredential("", "name", SECRET)
    control.supported_protocols.append(SECRET)
    return control


def test_a_control_shows_no_secret():
    control = secretive()
    for text in (repr(control), control._repr_html_()):
        assert SECRET not in text
        assert "http://***@proxy:1" in text
        assert "{id: ***}" in text
        assert "[***]" in text
    control.cookies = http.cookiejar.CookieJar()
    assert "cookies=<CookieJar>" in repr(control)


def test_a_socket_and_its_information_show_no_secret():
    def script(connection):
        handshake(connection, f"Set-Cookie: id={SECRET}", f"X-Token: {SECRET}", f"Sec-WebSocket-Protocol: {SECRET}")
        read_until_close(connection)

    with scripted_server(script) as uri:
        url = f"{uri}?{SECRET}"
        with syncws.connect(url, subprotocols=[SECRET], headers={"Authorization": SECRET}) as socket:
            information = socket.information
            shown = [repr(socket), socket._repr_html_(), repr(information), information._repr_html_()]
            shown.append(json.dumps(information.as_dict()))
    assert not [text for text in shown if SECRET in text]
    assert information.protocol == SECRET
    assert information.as_dict()["protocol"] == HIDDEN


@pytest.mark.parametrize(("name", "shown"), [("MQTT", "MQTT"), ("wamp.2.json", "wamp.2.json"), (SECRET, HIDDEN)])
def test_a_subprotocol_is_shown_when_it_is_known_to_be_a_name(name, shown):
    assert shown_protocol(name) == shown


# As plain values, and as tables.


def test_information_as_a_dict_is_all_of_it_and_json(server_tls, client_tls):
    with running_server(echo, ssl_context=server_tls) as uri, syncws.connect(uri, ssl_context=client_tls) as socket:
        socket.send("x")
        socket.receive(LIMIT)
        values = socket.information.as_dict()
    names = {name for name in dir(socket.information) if not name.startswith("_")} - {"as_dict"}
    assert set(values) == names
    assert json.loads(json.dumps(values)) == values
    assert values["local_address"] == "127.0.0.1"
    assert values["messages_received"] == 1
    assert values["close_cause"] == "NONE"
    assert values["server_certificate"].startswith("<Certificate SHA256=")
    assert values["connect_times"]["tls"] > 0
    assert values["response_headers"]["upgrade"] == "websocket"
    assert dt.datetime.fromisoformat(values["connected_at"]).tzinfo is not None


def test_before_connect_there_is_a_dict_too():
    values = MessageWebSocket().information.as_dict()
    assert values["connected_at"] is None
    assert json.dumps(values)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("x", "x"),
        (syncws.CloseCause.LOCAL, "LOCAL"),
        (syncws.HResult.E_INVALIDARG, "E_INVALIDARG"),
        ((1, syncws.CloseCause.LOCAL), [1, "LOCAL"]),
        (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "2026-01-02T00:00:00+00:00"),
        (HttpHeaders({"Server": "x", "X-Key": "y"}), {"server": "x", "x-key": HIDDEN}),
        (
            ConnectTimes(total=1.0)._replace(tls=2.0),
            {"lookup": None, "tcp": None, "proxy": None, "tls": 2.0, "handshake": None, "total": 1.0},
        ),
        (syncws.HostName("a.test"), "a.test"),
    ],
)
def test_values_become_plain(value, expected):
    assert plain(value) == expected


def test_everything_in_a_table_is_escaped():
    html = as_html("<script>", {"<b>": "<img src=x onerror=alert(1)>", "n": 5, "q": "\"'&"})
    assert "<script>" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "&quot;&#x27;&amp;" in html


def test_sockets_control_information_and_closed_args_have_tables():
    seen = []

    def script(connection):
        handshake(connection)
        connection.sendall(server_frame(CLOSE, b"\x03\xf4<script>"))
        read_to_end(connection)

    with connected(script, lambda socket: socket.add_closed(lambda _, args: seen.append(args))) as socket:
        assert list(socket) == []
        socket.close()
    assert seen[0]._repr_html_() == as_html("WebSocketClosedEventArgs", {"code": 1012, "reason": "<script>"})
    for shown in (socket, socket.control, socket.information, *seen):
        html = shown._repr_html_()
        assert html.startswith("<table><caption>")
        assert html.endswith("</table>")
        assert "<script>" not in html
    assert "&lt;script&gt;" in socket._repr_html_()
    assert "MessageWebSocket CLOSED" in socket._repr_html_()


def test_what_is_known_after_a_refused_certificate_is_shown(server_tls):
    with running_server(echo, ssl_context=server_tls) as uri:
        socket = MessageWebSocket()
        with pytest.raises(CertificateError):
            socket.connect(uri)
    assert socket.information.as_dict()["server_certificate"].startswith("<Certificate")


def test_an_agreed_extension_is_shown_and_compressed_messages_are_counted_and_logged(caplog):
    caplog.set_level("DEBUG", "syncws.frames")
    with running_server(echo, compression="deflate") as uri, syncws.connect(uri, compression=True) as socket:
        for text in ("a" * 1000, "b" * 200_000):
            socket.send(text)
            assert socket.receive(LIMIT) == text
        assert repr(socket) == f"<MessageWebSocket CONNECTED uri={uri} extension=permessage-deflate received=2 sent=2>"
        values = socket.information.as_dict()
        assert values["compression"]["bytes_to_compress"] == 201_000
        assert json.dumps(values)
    lines = [record.getMessage() for record in caplog.records if "deflated" in record.getMessage()]
    assert [line[:6] for line in lines] == ["> TEXT", "< TEXT"] * 2
