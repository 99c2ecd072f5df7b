"""A fixture of the waiting room."""

import pytest

from syncws._waiting.readiness import Waker


@pytest.fixture
def waker():
    made = Waker()
    yield made
    made.close()
