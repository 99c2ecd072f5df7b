"""Fixtures that several integration tests share."""

import threading

import pytest
from support import handshake, read_to_end


@pytest.fixture
def requests():
    """What `serve` was asked for."""
    return []


@pytest.fixture
def serve(requests):
    """A script that does the handshake, notes the request and reads to the end."""

    def script(connection):
        requests.append(handshake(connection))
        read_to_end(connection)

    return script


@pytest.fixture
def no_thread(monkeypatch):
    """Call it, and the system gives no more threads, as where a container has all that it may."""

    class NoThread(threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    return lambda: monkeypatch.setattr(threading, "Thread", NoThread)
