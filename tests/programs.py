"""Programs of their own, run by this interpreter: for what happens at their end, in a fork or at a real signal."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from support import LIMIT

ROOT = Path(__file__).parents[1]

# What the programs begin with.
HEAD = """
import gc, os, signal, sys, threading, time, warnings
import syncws
from syncws import *
uri = sys.argv[1]

"""


def run(script, uri, *options, authority=None):
    """Run a program to its end; return what subprocess.run does, with `seconds` besides.

    Args:
        script: the program's text, behind HEAD.
        uri: what it finds as `uri`.
        options: of the interpreter.
        authority: path of a certificate file that the program trusts; None for the system's.
    """
    environment = dict(os.environ) if authority is None else os.environ | {"SSL_CERT_FILE": str(authority)}
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, *options, "-c", HEAD + textwrap.dedent(script), uri],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )
    done.seconds = time.monotonic() - start
    return done


def assert_quiet(done):
    """See to it that a program ended well and said nothing on stderr."""
    assert (done.returncode, done.stderr) == (0, "")
