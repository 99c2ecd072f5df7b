"""The command line as a person or a script runs it: on a pseudo-terminal, or in this process with a file as stdin."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time

from support.programs import ROOT
from support.servers import LIMIT, join
from syncws.cli.main import main

# Where prompt_toolkit has taken over the terminal it asks for pasted text in brackets.
PROMPT = b"\x1b[?2004h"


def run_main(monkeypatch, stdin_path, *arguments, stdin=b""):
    """Run the command line in this process, with these bytes on stdin; return its exit code."""
    stdin_path.write_bytes(stdin)
    with stdin_path.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        try:
            return main(list(arguments))
        finally:
            # A thread that is still about to read would read what is opened next, for that has the same number.
            for thread in threading.enumerate():
                if thread.name == "syncws-stdin":
                    join(thread)


class Terminal:
    """A program on a pseudo-terminal, and what it has written so far."""

    def __init__(self, process, master):
        self._process = process
        self._master = master
        self._read = 0
        self.output = b""

    def wait_for(self, text):
        """Wait until a text comes that was not waited for yet."""
        end = time.monotonic() + LIMIT
        while (found := self.output.find(text, self._read)) < 0:
            assert select.select([self._master], [], [], max(end - time.monotonic(), 0))[0], self.output
            assert self._take(), self.output
        self._read = found + len(text)

    def type(self, text):
        """Type something; Return is \\r."""
        os.write(self._master, text.encode())

    def interrupt(self):
        """Do what a terminal does at Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self):
        """Wait for the program's end; return its exit code and all that it has written."""
        end = time.monotonic() + LIMIT
        while select.select([self._master], [], [], max(end - time.monotonic(), 0))[0] and self._take():
            pass
        return self._process.wait(LIMIT), self.output.decode()

    def _take(self):
        try:
            piece = os.read(self._master, 65536)
        except OSError:
            # Which tells of the end on Linux.
            return False
        self.output += piece
        return bool(piece)


@contextlib.contextmanager
def on_terminal(*arguments, is_plain=False, history="", kind="xterm"):
    """Run the command line on a pseudo-terminal; gives the Terminal.

    Args:
        arguments: of the command line.
        is_plain: as if the extra `cli` was not installed.
        history: file of the lines typed before; none when empty.
        kind: of terminal, as TERM names it.
    """
    import pty

    hidden = "sys.modules['prompt_toolkit'] = sys.modules['rich'] = None; " if is_plain else ""
    program = f"import sys; {hidden}from syncws.cli.main import main; sys.exit(main(sys.argv[1:]))"
    master, slave = pty.openpty()
    environment = os.environ | {"TERM": kind, "PROMPT_TOOLKIT_NO_CPR": "1", "SYNCWS_HISTORY": str(history)}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)
