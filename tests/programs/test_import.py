"""Tests of what a fresh process has loaded after `import syncws`, and after a plain connect: no more than they use."""

import os
import subprocess
import sys

from support import LIMIT, echo, running_server

# What a plain connect has no use for either.
NEVER_FOR_A_PLAIN_CONNECT = [
    "asyncio",
    "cryptography",
    "dns",
    "email",
    "http.client",
    "idna",
    "socksio",
    "syncws._net.tls.context",
    "syncws._net.tls.transport",
    "syncws._net.tls.verification",
    "syncws.cli",
    "urllib.request",
    "urllib3",
]
# What connecting is the first to need.
NOT_BEFORE_CONNECT = [
    "dataclasses",
    "hashlib",
    "inspect",
    "pathlib",
    "secrets",
    "ssl",
    "tempfile",
    "urllib.parse",
    "uuid",
    "websocket",
]
CONNECT = "socket = syncws.connect({uri!r}); socket.send('x'); assert socket.receive() == 'x'; socket.close()"


def loaded_by(program, libraries="sys, syncws"):
    """Run a program in a process of its own; return the names of the modules that it loaded."""
    # Without the startup files of this environment, which may import anything; where the library is, it is told.
    paths = os.pathsep.join(path for path in sys.path if path)
    without_proxy = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import {libraries}; {program}; print(*sys.modules)"],
        env={**without_proxy, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_library_loads_nothing_that_only_a_connect_or_some_programs_need():
    loaded = loaded_by("pass")
    assert "syncws.message_websocket" in loaded
    # From 3.14 on logging has dataclasses, and that inspect.
    of_logging = loaded_by("pass", "sys, logging")
    assert (loaded - of_logging).isdisjoint([*NOT_BEFORE_CONNECT, *NEVER_FOR_A_PLAIN_CONNECT])


def test_a_plain_connect_loads_nothing_of_tls_names_and_proxies():
    with running_server(echo) as uri:
        loaded = loaded_by(CONNECT.format(uri=uri))
    assert "websocket" in loaded
    assert loaded.isdisjoint(NEVER_FOR_A_PLAIN_CONNECT)
