"""A name server on loopback, UDP and TCP on one port, made of dnspython's own messages and scripted by name and type.

A script is a function of the query and of whether it came over TCP; it returns the messages to send back, each an
answer of dnspython or bytes. Each query is answered on a thread of its own, so that one that is held back holds up
nothing else.
"""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from support.servers import LIMIT, join, read_exactly, stop_listening, wait

Script = Callable[[dns.message.Message, bool], list[Any]]


def records(*texts: str) -> Script:
    """Answer with addresses; with none the name exists and has no data."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        question = query.question[0]
        response = dns.message.make_response(query)
        if texts:
            response.answer = [dns.rrset.from_text(question.name, 60, "IN", question.rdtype, *texts)]
        return [response]

    return script


NO_DATA = records()


def ipv4(*texts: str) -> Script:
    """Answer with addresses of IPv4; there are none of IPv6."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        return (records(*texts) if query.question[0].rdtype == dns.rdatatype.A else NO_DATA)(query, is_tcp)

    return script


def chain(*names: str, to: tuple[str, ...] = ()) -> Script:
    """Answer with the CNAMEs that lead from the name through `names`, and the addresses of the last of them."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        question = query.question[0]
        response = dns.message.make_response(query)
        steps = [str(question.name), *names]
        response.answer = [
            dns.rrset.from_text(here, 60, "IN", "CNAME", there) for here, there in itertools.pairwise(steps)
        ]
        if to:
            response.answer.append(dns.rrset.from_text(steps[-1], 60, "IN", question.rdtype, *to))
        return [response]

    return script


def code(number: int) -> Script:
    """Answer with an error code."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.Rcode.make(number))
        return [response]

    return script


def silence(query: dns.message.Message, is_tcp: bool) -> list[Any]:
    """Do not answer."""
    return []


def held(until: threading.Event, then: Script) -> Script:
    """Answer when the Event was set."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        wait(until)
        return then(query, is_tcp)

    return script


def together(barrier: threading.Barrier, then: Script) -> Script:
    """Answer when all parties of the barrier have asked."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        barrier.wait(LIMIT)
        return then(query, is_tcp)

    return script


def truncated(then: Script) -> Script:
    """Answer over UDP with nothing but the TC bit, over TCP in full."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        if is_tcp:
            return then(query, is_tcp)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.TC
        return [response]

    return script


def after_forgeries(then: Script) -> Script:
    """Send what is no answer to the query, and then the answer: garbage, a wrong id, another question, a query."""

    def script(query: dns.message.Message, is_tcp: bool) -> list[Any]:
        (wrong_id,) = NO_DATA(query, is_tcp)
        wrong_id.id ^= 1
        (other_question,) = NO_DATA(dns.message.make_query("forged.test.", query.question[0].rdtype), is_tcp)
        other_question.id = query.id
        return [b"", b"garbage", wrong_id, other_question, query, *then(query, is_tcp)]

    return script


class DnsServer:
    """A running server.

    Attributes:
        scripts: by name, absolute and in lower case, and type; the name alone stands for both types. What is not there
            does not exist (NXDOMAIN).
        asked: what was asked: name, type, and TCP or UDP.
    """

    def __init__(self) -> None:
        self.scripts: dict[Any, Script] = {}
        self.asked: list[tuple[str, str, str]] = []
        self._is_over = False
        self._threads: list[threading.Thread] = []
        # The TCP listener comes first, because a UDP port of that number is then nearly always free.
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind(self._listener.getsockname())
        self._run(self._serve_datagrams)
        self._run(self._serve_connections)

    @property
    def port(self) -> int:
        """The port of both."""
        return int(self._listener.getsockname()[1])

    def resolver(self, **attributes: Any) -> dns.resolver.Resolver:
        """Return a resolver that asks this server alone, without search domains unless `attributes` say otherwise."""
        made = dns.resolver.Resolver(configure=False)
        made.nameservers, made.port, made.domain = ["127.0.0.1"], self.port, dns.name.root
        made.lifetime = LIMIT
        for name, value in attributes.items():
            setattr(made, name, value)
        return made

    def names_asked(self, kind: str) -> list[str]:
        """Return the names for which records of one type were asked, in order."""
        return [name for name, asked_kind, _ in self.asked if asked_kind == kind]

    def close(self) -> None:
        """End, and wait for what is being answered."""
        self._is_over = True
        stop_listening(self._listener)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"", self._datagrams.getsockname())
        while self._threads:
            join(self._threads.pop())
        self._listener.close()
        self._datagrams.close()

    def _run(self, body: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=body, args=arguments, name="dns-server")
        self._threads.append(thread)
        thread.start()

    def _serve_datagrams(self) -> None:
        while True:
            wire, peer = self._datagrams.recvfrom(65535)
            if self._is_over:
                return
            self._run(self._answer_datagram, wire, peer)

    def _answer_datagram(self, wire: bytes, peer: Any) -> None:
        for response in self._responses(wire, "UDP"):
            self._datagrams.sendto(response, peer)

    def _serve_connections(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._run(self._answer_connection, connection)

    def _answer_connection(self, connection: socket.socket) -> None:
        # The client may leave at any moment.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(LIMIT)
            wire = read_exactly(connection, int.from_bytes(read_exactly(connection, 2), "big"))
            for response in self._responses(wire, "TCP"):
                connection.sendall(len(response).to_bytes(2, "big") + response)

    def _responses(self, wire: bytes, way: str) -> list[bytes]:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind, way))
        script = self.scripts.get((name, kind)) or self.scripts.get(name) or code(dns.rcode.NXDOMAIN)
        return [
            response if isinstance(response, bytes) else response.to_wire(max_size=65535)
            for response in script(query, way == "TCP")
        ]


@contextlib.contextmanager
def dns_server() -> Iterator[DnsServer]:
    """Run a server; what scripts still hold back must be let go before the block ends."""
    server = DnsServer()
    try:
        yield server
    finally:
        server.close()
