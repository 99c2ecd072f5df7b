"""The line that a person types on, by prompt_toolkit: history, editing, and what comes shown above it.

Runs on the main thread; its reader thread reports the end of the connection.
"""

import os
from collections.abc import Callable

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

__all__ = ["Prompt"]


class Prompt:
    """Reads lines until the person, or the connection, has had enough."""

    def __init__(self, words: list[str]) -> None:
        self._session: PromptSession[str] = PromptSession(
            "> ",
            history=_history(),
            auto_suggest=AutoSuggestFromHistory(),
            completer=WordCompleter(words, sentence=True),
            complete_while_typing=False,
            # It is shown again, with the time at which it was sent.
            erase_when_done=True,
        )
        self._is_over = False

    def run(self, take: Callable[[str], object]) -> None:
        """Give each line to `take`, until Ctrl-D or end().

        Raises:
            KeyboardInterrupt: Ctrl-C.
        """
        with patch_stdout(raw=True):
            while not self._is_over:
                try:
                    line = self._session.prompt(pre_run=self._leave_when_over)
                except EOFError:
                    return
                if line:
                    take(line)

    def end(self) -> None:
        """Have run() return, whatever is being typed; on any thread."""
        self._is_over = True
        loop = self._session.app.loop
        if loop is not None:
            loop.call_soon_threadsafe(self._leave_when_over)

    def _leave_when_over(self) -> None:
        app = self._session.app
        # A prompt that has just got its line needs no end.
        if self._is_over and app.future is not None and not app.future.done():
            app.exit(exception=EOFError())


def _history() -> History:
    # Without a home, as of an arbitrary user in a container, the tilde stays: nothing is kept then.
    path = os.environ.get("SYNCWS_HISTORY", os.path.expanduser("~/.syncws_history"))
    if not path:
        return InMemoryHistory()
    try:
        # Readable by the user alone: what was typed may hold secrets.
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)
