"""Fixtures that several integration tests share."""

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
