"""Fixtures of the threads room: an outbox over a scripted transport, sessions over one, and waits without time."""

import pytest
from support import LIMIT
from support.doubles import CallCount, HandMonitor, Rig, StreamRig, Waits
from support.fakes import ScriptedTransport

from syncws._connection import closing
from syncws._connection import session as session_module
from syncws._connection.sending import frame_writer as frame_writer_module
from syncws._connection.sending.outbox import Outbox
from syncws.errors import ObjectClosedError


@pytest.fixture
def transport():
    made = ScriptedTransport()
    yield made
    made.release()


@pytest.fixture
def waits(monkeypatch, clock):
    """Senders' waits for the transport, which follow a script and take no time."""
    made = Waits(clock)
    monkeypatch.setattr(frame_writer_module, "make_readiness", made)
    return made


@pytest.fixture
def monitor(monkeypatch, clock):
    """The monitor of all sessions, run by hand on the fake clock."""
    made = HandMonitor(clock)
    monkeypatch.setattr(session_module, "the_monitor", lambda: made)
    return made


@pytest.fixture
def leftovers():
    return CallCount()


@pytest.fixture
def rooms():
    return CallCount()


@pytest.fixture
def outbox(transport, leftovers):
    made = Outbox(transport, leftovers)
    made.send_timeout = LIMIT
    yield made
    made.shut(ObjectClosedError("the test is over"))
    made.retire(transport.close)


def _rigs_of(kind):
    made = []

    def make(*incoming, **options):
        made.append(kind(*incoming, **options))
        return made[-1]

    yield make
    for rig in made:
        rig.release()


@pytest.fixture
def rigs():
    """Make sessions of messages."""
    yield from _rigs_of(Rig)


@pytest.fixture
def stream_rigs():
    """Make sessions of a stream."""
    yield from _rigs_of(StreamRig)


@pytest.fixture
def short_linger(monkeypatch):
    """On a clock that stands still no deadline passes: let the end not wait for one."""
    monkeypatch.setattr(closing, "LINGER_SECONDS", 0.0)


@pytest.fixture
def kept(rigs, monitor, short_linger):
    """Start a session with keep-alive: 20 s, and 10 s to answer."""

    def make(*incoming, **options):
        options = {"keep_alive_interval": 20.0, "keep_alive_timeout": 10.0, **options}
        rig = rigs(*incoming, **options)
        rig.start()
        return rig

    return make
