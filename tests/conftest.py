"""Fixtures for all tests: certificates of a throw-away authority, a clock, the watch over what a test leaves behind."""

import gc
import os
import signal
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import like_windows  # First of all, because the library looks at the system when it is imported
import pytest
import trustme
from hypothesis import settings
from support.fakes import FakeClock
from support.servers import wait_for_end

from syncws._connection import monitor
from syncws._connection.receiving.reader import Reader
from syncws._net.proxy import choice
from syncws._waiting import deadline
from syncws._waiting.deadline import Deadline
from syncws._wire.accelerated import speedups

# An example may take as long as the machine has other work. Fewer than usual: the campaigns and fuzzers try far more.
settings.register_profile("suite", deadline=None, max_examples=50)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Have Python's own handling of Ctrl-C, which it leaves out in a process that a shell starts in the background."""
    # A test that asks again and again whether something has come keeps others from running for so long each time.
    sys.setswitchinterval(0.0005)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The programs that tests start shall keep their output back as a user's do, whatever the machine is set to.
    os.environ.pop("PYTHONUNBUFFERED", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what the stand-in for Windows cannot show, and what is dear where coverage is measured."""
    for item in items:
        is_of_many_examples = speedups is not None and getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if is_of_many_examples or item.get_closest_marker("slow") is not None:
            # While lines are noted it takes two to ten times as long, and they are lines that others run too; some of
            # those that only random examples reach are lines of the plain form, and noted there.
            item.add_marker(pytest.mark.no_cover)
    if like_windows.IS_ON:
        for item in items:
            if getattr(item, "originalname", None) in like_windows.LEFT_OUT:
                item.add_marker(pytest.mark.skip(reason="counts or watches functions that like_windows replaces"))


def pytest_collection_finish() -> None:
    """Leave what the tests are made of out of the collections to come, which are many."""
    gc.collect()
    gc.freeze()


def descriptor_numbers() -> set[str]:
    """Return the numbers of this process's open descriptors, where the system tells."""
    try:
        return set(os.listdir("/proc/self/fd"))
    except OSError:
        return set()


def described(numbers: set[str]) -> list[str]:
    """Return what the descriptors that are sockets or pipes stand for; others are the test runner's own."""
    found = []
    for number in numbers:
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith(("socket:", "pipe:", "anon_inode:")):
            found.append(f"{number} {target}")
    return sorted(found)


def end_idle_monitor() -> None:
    """Have the monitor notice now that it has no connection left to look at, and not at its next look."""
    made = monitor._made.get(None)
    if made is not None:
        with made._lock:
            made.rounds._rest_without_members()


@pytest.fixture(autouse=True)
def no_lingering_monitor() -> Iterator[None]:
    """Have the monitor end with the test's last connection."""
    # A patch of its own, which stands until nothing is left behind.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitor, "_LINGER_SECONDS", 0.0)
        yield


@pytest.fixture(autouse=True)
def leaves_nothing_behind(no_lingering_monitor: None) -> Iterator[None]:
    """Fail a test that leaves a thread or a descriptor."""
    threads = set(threading.enumerate())
    numbers = descriptor_numbers()
    yield
    end_idle_monitor()
    for thread in set(threading.enumerate()) - threads:
        # The monitor, most often, which is about to end.
        wait_for_end(thread, 0.1)
    # Only now, and first only what is young, as the selector of a server of websockets is: to collect all after each of
    # some thousand tests would take minutes.
    for generation in (1, 2):
        if set(threading.enumerate()) <= threads and descriptor_numbers() <= numbers:
            return
        gc.collect(generation)
    for thread in set(threading.enumerate()) - threads:
        wait_for_end(thread)
        assert not thread.is_alive(), f"the test left the thread {thread.name}"
    # What a thread held that has only just ended.
    gc.collect()
    left = described(descriptor_numbers() - numbers)
    assert not left, f"the test left descriptors: {left}"


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the proxies of the machine, and its exceptions, out of the environment and of what it is set to."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(choice, "_from_system", lambda uri: None)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that only these tests trust."""
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's context with a certificate for localhost, 127.0.0.1 and ::1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(params=["ws", "wss"])
def tls(
    request: pytest.FixtureRequest, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """The contexts of server and client, for ws and for wss."""
    return (None, None) if request.param == "ws" else (server_tls, client_tls)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock that stands still until it is told to move."""
    fake = FakeClock()
    monkeypatch.setattr(deadline, "clock", fake)
    return fake


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """An Event that is set when the reader waits with reading stopped."""
    event = threading.Event()
    wait_for = Reader._wait

    def noting_wait(reader: Reader, interest: int, deadline: Deadline) -> None:
        if not interest:
            event.set()
        wait_for(reader, interest, deadline)

    monkeypatch.setattr(Reader, "_wait", noting_wait)
    return event


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's certificate as a file, for programs of their own."""
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
