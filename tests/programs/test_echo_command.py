"""`python -m syncws echo`, as a person runs it."""

import errno
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from support import LIMIT
from support.programs import ROOT, echo_command
from support.servers import reset

import syncws
from syncws import Certificate, StreamWebSocket, TlsError
from syncws.cli.echo_server import _Connections, running_server
from syncws.cli.main import main

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends programs without asking them")


def trusting(line):
    """Return the TLS settings that trust the authority whose file a line names."""
    return ssl.create_default_context(cafile=line.removeprefix("authority: "))


def test_it_echoes_text_and_binary_of_any_size():
    with echo_command() as [uri], syncws.connect(uri) as ws:
        assert uri.startswith("ws://127.0.0.1:")
        for message in ("", "Grüße", b"", b"\0\xff", "ä" * 100_000, os.urandom(3_000_000)):
            ws.send(message)
            assert ws.receive(LIMIT) == message


def test_it_echoes_a_message_of_many_fragments_while_it_comes():
    with echo_command() as [uri], syncws.connect(uri) as ws:
        ws.control.message_type = syncws.SocketMessageType.UTF8
        ws.send_nonfinal_frame("Grü".encode()[:3])
        ws.send_nonfinal_frame("Grü".encode()[3:])
        ws.send_final_frame(b"")
        assert ws.receive(LIMIT) == "Grü"


def test_a_stream_without_end_comes_back_without_end():
    size, piece = 20, os.urandom(1 << 20)
    with echo_command() as [uri], StreamWebSocket() as ws:
        ws.connect(uri)
        sending = threading.Thread(target=lambda: [ws.output_stream.write(piece) for _ in range(size)])
        sending.start()
        source = ws.input_stream.as_file()
        for _ in range(size):
            assert source.read(len(piece)) == piece
        sending.join(LIMIT)


def test_it_compresses_for_a_client_that_offers_it():
    with echo_command() as [uri], syncws.connect(uri, compression=True) as ws:
        ws.send("again " * 1000)
        assert ws.receive(LIMIT) == "again " * 1000
        assert ws.information.compression.bytes_to_inflate < 1000


def test_it_speaks_the_subprotocols_that_it_is_told():
    with echo_command("--subprotocol", "chat", "--subprotocol", "soap") as [uri]:
        for offered, chosen in ((["other", "soap"], "soap"), (["other"], ""), ([], "")):
            with syncws.connect(uri, supported_protocols=offered) as ws:
                assert ws.information.protocol == chosen


def test_tls_has_an_authority_to_trust_in_a_file_that_goes_with_it():
    with echo_command("--tls") as [uri, authority]:
        assert uri.startswith("wss://127.0.0.1:")
        path = pathlib.Path(authority.removeprefix("authority: "))
        with syncws.connect(uri, ssl_context=trusting(authority)) as ws:
            ws.send("secret")
            assert ws.receive(LIMIT) == "secret"
        with syncws.connect(uri.replace("127.0.0.1", "localhost"), ssl_context=trusting(authority)) as ws:
            assert "localhost" in ws.information.server_certificate.subject_alternative_name.dns_name
    assert sys.platform == "win32" or not path.exists()


def test_it_insists_on_a_client_certificate_when_it_is_told():
    with echo_command("--tls", "--client-certificate") as [uri, authority, own]:
        certificate = Certificate.from_pem(own.removeprefix("client certificate: "))
        with syncws.connect(uri, ssl_context=trusting(authority), client_certificate=certificate) as ws:
            ws.send("it is me")
            assert ws.receive(LIMIT) == "it is me"
        with pytest.raises(TlsError):
            syncws.connect(uri, ssl_context=trusting(authority))


def test_it_sends_a_file_and_closes(tmp_path):
    content = os.urandom(200_000)
    (tmp_path / "sent").write_bytes(content)
    with echo_command("--send", str(tmp_path / "sent")) as [uri], syncws.connect(uri) as ws:
        assert list(ws) == [content]
        assert ws.information.close_code == 1000


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_cleanly_and_tells_its_clients(name):
    with echo_command(send_signal=getattr(signal, name)) as [uri]:
        ws = syncws.connect(uri)
    assert ws.wait_closed(LIMIT)
    assert (ws.information.close_code, ws.information.close_reason) == (1001, "the server ends")


@posix
def test_its_key_is_gone_when_its_terminal_is_closed():
    with echo_command("--tls", send_signal=signal.SIGHUP) as [_, authority]:
        folder = pathlib.Path(authority.removeprefix("authority: ")).parent
        assert folder.exists()
    assert not folder.exists()


@posix
def test_a_client_that_does_not_read_does_not_hold_it_up():
    with echo_command() as [uri]:
        ws = syncws.connect(uri, inbox_size_in_bytes=65536, send_timeout=0.5)
        with pytest.raises(syncws.OperationTimedOutError):
            send_without_end(ws)
        start = time.monotonic()
    assert time.monotonic() - start < LIMIT / 2
    ws.abort()


def send_without_end(ws):
    while True:
        ws.send(bytes(1 << 20))


def test_a_client_that_only_connects_does_not_hold_it_up():
    with running_server("127.0.0.1", 0) as port:
        silent = socket.create_connection(("127.0.0.1", port))
    silent.close()


def test_a_shortage_of_descriptors_keeps_out_nobody_who_comes_later(monkeypatch):
    accept, shortages = socket.socket.accept, [OSError(errno.EMFILE, "Too many open files")]

    def accept_in_the_end(listening):
        # Windows makes a pair of sockets by accept(), too; that of the server has a time limit.
        if shortages and listening.gettimeout() is not None:
            raise shortages.pop()
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", accept_in_the_end)
    with running_server("127.0.0.1", 0) as port, syncws.connect(f"ws://127.0.0.1:{port}/") as ws:
        ws.send("there")
        assert ws.receive(LIMIT) == "there"


# Python's ssl leaves the socket of such a client to the collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_client_that_is_gone_before_its_tls_begins_keeps_nobody_out(monkeypatch, server_tls, client_tls):
    accept, is_gone = socket.socket.accept, threading.Event()

    def accept_when_it_is_gone(listening):
        is_gone.wait(LIMIT)
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", accept_when_it_is_gone)
    with running_server("127.0.0.1", 0, ssl_context=server_tls) as port:
        reset(socket.create_connection(("127.0.0.1", port)))
        is_gone.set()
        with syncws.connect(f"wss://localhost:{port}/", ssl_context=client_tls) as ws:
            ws.send("there")
            assert ws.receive(LIMIT) == "there"


def test_a_connection_that_comes_while_it_ends_is_told_so():
    handled, closings = [], []

    class Connection:
        def close(self, code, reason):
            closings.append((code, reason))

    connections = _Connections(handled.append, lambda code, reason: None)
    connections.end()
    connections.handle(Connection())
    assert handled == []
    assert closings == [(1001, "the server ends")]


def test_a_port_in_use_is_told(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["echo", "--port", port]) == 1
    output = capsys.readouterr()
    assert output.err.startswith(f"cannot listen on 127.0.0.1, port {port}: ")
    assert "see --host, --port" in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--port", "65536"], "argument --port: must be from 0 to 65535, not 65536"),
        (["--port", "-1"], "--port"),
        (["--port", "http"], "argument --port: must be from 0 to 65535, not http"),
        (["--client-certificate"], "--client-certificate needs --tls"),
        (["--port", "0", "--host", "a..b"], "argument --host: must be a host name or an IP address, not a..b"),
        (
            ["--port", "0", "--host", "[::1]", "--tls"],
            "argument --host: must be a host name or an IP address, not [::1]",
        ),
        (["--send", "/nowhere/at all"], "--send: there is no file"),
    ],
)
def test_wrong_options_are_explained(capsys, options, told):
    with pytest.raises(SystemExit) as caught:
        main(["echo", *options])
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["trustme", "websockets.sync.server"])
def test_a_missing_extra_is_named(capsys, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["echo", "--port", "0", "--tls"]) == 2
    assert f'echo needs an extra ({missing} is missing): pip install "syncws[demo]"' in capsys.readouterr().err


@pytest.mark.parametrize(("host", "shown"), [("::1", "[::1]"), ("localhost", "localhost")])
def test_the_uri_is_one_that_can_be_connected_to(host, shown):
    if host == "::1" and not socket.has_ipv6:
        pytest.skip("no IPv6")
    with echo_command("--host", host) as [uri], syncws.connect(uri) as ws:
        assert uri.startswith(f"ws://{shown}:")
        ws.send("there")
        assert ws.receive(LIMIT) == "there"


def test_help_names_all_commands():
    done = subprocess.run(
        [sys.executable, "-m", "syncws", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=True
    )
    assert "demo" in done.stdout
    assert "echo" in done.stdout
