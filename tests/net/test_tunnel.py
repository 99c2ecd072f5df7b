"""open_tunnel over a scripted transport: what a real connection brings about only by chance."""

import errno

import pytest
from support import LIMIT
from support.fakes import ScriptedTransport

from syncws._net.http.authentication import PROXY, Authentication
from syncws._net.proxy.tunnel import Route, open_tunnel
from syncws._waiting.deadline import Deadline
from syncws._waiting.readiness import Waker
from syncws._waiting.waiter import Waiter
from syncws._wire.proxy_url import parse_proxy_url
from syncws.errors import HttpStatusError, ProxyError


@pytest.fixture
def ask():
    """Have a proxy that is a script of pieces asked for a tunnel, after a send that fails."""
    waker = Waker()
    made = []

    def run(*incoming, proxy="http://proxy", port=80):
        transport = ScriptedTransport(*incoming)
        made.append(transport)
        transport.takes.append(BrokenPipeError(errno.EPIPE, "Broken pipe"))
        waiter = Waiter(waker, lambda: False, Deadline(LIMIT), transport.fileno())
        route = Route(parse_proxy_url(proxy), "server.test", port)
        open_tunnel(route, transport, waiter, None, Authentication(PROXY, None))

    yield run
    for transport in made:
        transport.release()
    waker.close()


def test_the_answer_of_a_proxy_that_hangs_up_on_the_request_is_read(ask):
    with pytest.raises(HttpStatusError, match="answered 403 Not You") as caught:
        ask(b"HTTP/1.1 403 Not You\r\nContent-Length: 2\r\n\r\nno", b"")
    assert caught.value.body == b"no"


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_what_a_web_server_answers_asks_whether_it_is_a_proxy(ask, status):
    with pytest.raises(HttpStatusError) as caught:
        ask(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
    text = f"the proxy http://proxy:80 answered {status} No"
    assert caught.value.message == f"{text}: a web server that is not a proxy answers like this; is it one?"


@pytest.mark.parametrize(("port", "advice"), [(80, ": many proxies lead to port 443 alone, and this is 80"), (443, "")])
def test_a_proxy_that_forbids_is_told_with_the_port_that_it_may_not_like(ask, port, advice):
    # By default squid, Apache and tinyproxy allow few others.
    with pytest.raises(HttpStatusError) as caught:
        ask(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", port=port)
    assert caught.value.message == f"the proxy http://proxy:80 answered 403 Forbidden{advice}"


def test_what_only_a_proxy_answers_is_told_as_it_is(ask):
    with pytest.raises(HttpStatusError) as caught:
        ask(b"HTTP/1.1 502 No Way\r\nContent-Length: 0\r\n\r\n")
    assert caught.value.message == "the proxy http://proxy:80 answered 502 No Way"


def test_a_proxy_that_hangs_up_on_the_request_without_a_word_is_a_proxy_error(ask):
    with pytest.raises(ProxyError, match="the proxy http://proxy:80 ended the connection before it answered"):
        ask(b"")


def test_a_socks_proxy_that_hangs_up_on_the_request_is_a_proxy_error(ask):
    with pytest.raises(ProxyError, match="the connection to the proxy socks5h://proxy:1080 broke: the peer reset"):
        ask(proxy="socks5h://proxy")
