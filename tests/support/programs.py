"""Programs of their own, run by this interpreter: for what happens at their end, in a fork or at a real signal."""

import contextlib
import inspect
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import like_windows

from support.servers import LIMIT

ROOT = Path(__file__).parents[2]

# Windows ends a program at once, and has it return 1.
ENDED_BY_SIGTERM = 1 if sys.platform == "win32" else 0


def press_ctrl_c():
    """Do what Ctrl-C does: on Windows it comes on a thread of its own, and os.kill ends the process."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)


# What the programs begin with.
HEAD = f"""
import gc, os, signal, sys, threading, time, warnings
import syncws
from syncws import *
uri = sys.argv[1]

{inspect.getsource(press_ctrl_c)}

"""
if like_windows.IS_ON:
    HEAD = f"import sys\nsys.path.append({str(ROOT / 'tests')!r})\nimport like_windows\n{HEAD}"

# A name lookup that takes for ever, in a program, which sets `asked` when it has begun.
SILENT_RESOLVER = """
class SilentResolver:
    lifetime = 60
    def resolve(self, *_, **__):
        asked.set()
        threading.Event().wait(60)

asked = threading.Event()
"""


def run(script, uri, *options, authority=None):
    """Run a program to its end; return what subprocess.run does, with `seconds` besides.

    Args:
        script: the program's text, behind HEAD.
        uri: what it finds as `uri`.
        options: of the interpreter.
        authority: path of a certificate file that the program trusts; None for the system's.
    """
    start = time.monotonic()
    done = subprocess.run(
        _command(script, uri, options),
        cwd=ROOT,
        env=environment(authority),
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )
    done.seconds = time.monotonic() - start
    return done


@contextlib.contextmanager
def started(script, uri, authority):
    """Start a program that goes step by step with the test: it says `print(…, flush=True)` and reads from stdin.

    Gives a function that waits for its next line. At the end of the block it must end well, and without a word on
    stderr; arguments as of run().
    """
    with subprocess.Popen(
        _command(script, uri, ()),
        cwd=ROOT,
        env=environment(authority),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:

        def next_line(told=""):
            running.stdin.write(f"{told}\n")
            running.stdin.flush()
            return running.stdout.readline().rstrip()

        yield next_line
        _, errors = running.communicate(timeout=LIMIT)
    assert (running.returncode, errors) == (0, "")


@contextlib.contextmanager
def echo_command(*options, send_signal=signal.SIGTERM):
    """Run `python -m syncws echo` on a free port; gives the lines that it printed: the URI, and with --tls its files.

    At the end of the block it is sent a signal, and must end well and without a word on stderr.
    """
    command = [sys.executable, "-W", "error", "-m", "syncws", "echo", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            printed = 1 + ("--tls" in options) + ("--client-certificate" in options)
            lines = [running.stdout.readline().rstrip() for _ in range(printed)]
            assert lines[-1], running.stderr.read()
            yield lines
            running.send_signal(send_signal)
            output, errors = running.communicate(timeout=LIMIT)
        finally:
            running.kill()
    assert (running.returncode, output, errors) == (ENDED_BY_SIGTERM, "", "")


def environment(authority):
    """Return the environment of a program that trusts an authority's certificate file."""
    return dict(os.environ) if authority is None else os.environ | {"SSL_CERT_FILE": str(authority)}


def _command(script, uri, options):
    return [sys.executable, *options, "-c", HEAD + textwrap.dedent(script), uri]


def assert_quiet(done):
    """See to it that a program ended well and said nothing on stderr."""
    assert (done.returncode, done.stderr) == (0, "")
