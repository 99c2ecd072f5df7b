"""Fixtures that several tests of _net share: servers of a handshake, and lines of TLS on a real socket."""

import contextlib

import pytest
from support.handshake_peer import Peer
from support.tls_line import Line, needs_direct


@pytest.fixture
def peers():
    """Makes servers, and releases them."""
    made = []

    def make():
        made.append(Peer())
        return made[-1]

    yield make
    for one in made:
        one.release()


@pytest.fixture
def peer(peers):
    """A server that accepts, unless a test has it answer otherwise."""
    return peers()


@pytest.fixture
def make_line(server_tls, client_tls):
    """Makes lines, by default direct ones, and closes them."""
    with contextlib.ExitStack() as stack:

        def make(server_context=server_tls, client_context=client_tls, **options):
            return stack.enter_context(contextlib.closing(Line(server_context, client_context, **options)))

        yield make


@pytest.fixture(params=[pytest.param(None, marks=needs_direct)], ids=["direct"])
def line(make_line):
    """A line in the direct form."""
    return make_line()
