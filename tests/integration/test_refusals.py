"""What ordinary HTTP servers answer to the opening handshake: status, headers and body reach the program."""

import contextlib
import http.server
import threading

import pytest
from support import LIMIT, echo, read_request, running_server, scripted_server
from support.servers import join

from syncws import HttpStatusError, MessageWebSocket, connect


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends whoever asks for /moved to the server's `target`; knows nothing else. Python's default is HTTP/1.0."""

    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.target)
            self.end_headers()
        else:
            self.send_error(404, explain="nothing here")

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def http_server(version, target="/"):
    """Run Python's HTTP server; give the URI at which it would be a WebSocket server."""
    handler = type("Handler", (Handler,), {"protocol_version": version})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.target = target
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            join(thread)


def refusal(uri):
    with pytest.raises(HttpStatusError) as caught:
        connect(uri, timeout=LIMIT)
    return caught.value


each_version = pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])


@each_version
def test_pythons_http_server_says_what_it_refuses(version):
    with http_server(version) as uri:
        error = refusal(f"{uri}/chat")
    assert error.status_code == 404
    assert error.headers["Server"].startswith("BaseHTTP")
    assert error.headers.get_all("connection") == ["close"]
    assert b"nothing here" in error.body


@each_version
def test_a_redirect_of_pythons_http_server_is_followed(version):
    with running_server(echo) as target, http_server(version, target) as uri, MessageWebSocket() as socket:
        socket.control.max_redirects = 1
        socket.connect(f"{uri}/moved", timeout=LIMIT)
        socket.send("here")
        assert socket.receive() == "here"


ANSWERS = {
    # Go's net/http, asked in plain text at a port for TLS.
    "Go": (
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        (400, b"Client sent an HTTP request to an HTTPS server.\n"),
    ),
    # HAProxy before 2.0, and later ones with an error file of that time.
    "HAProxy": (
        b"HTTP/1.0 503 Service Unavailable\r\nCache-Control: no-cache\r\nConnection: close\r\nContent-Type: text/html"
        b"\r\n\r\n<html><body><h1>503 Service Unavailable</h1>\n</body></html>\n",
        (503, b"<html><body><h1>503 Service Unavailable</h1>\n</body></html>\n"),
    ),
    "chunks": (
        b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno \r\n5\r\nentry\r\n0\r\n\r\n",
        (403, b"no entry"),
    ),
}


@pytest.mark.parametrize(("answer", "told"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_refusal_reaches_the_program_whole(answer, told):
    def script(connection):
        read_request(connection)
        connection.sendall(answer)

    with scripted_server(script) as uri:
        error = refusal(uri)
    assert (error.status_code, error.body) == told
