"""What a person sees of a conversation: one line for each thing that happens, with its time and direction.

Coloured by rich where that is installed. Called on the main thread and on the connection's reader, a line at a time.
"""

import datetime as dt
from typing import TextIO

from syncws import CloseCause, MessageWebSocket, MessageWebSocketMessageReceivedEventArgs

__all__ = ["RichScreen", "Screen", "hexadecimal", "printable", "shown_uri"]

_MAX_SHOWN_BYTES = 64


class Screen:
    """Writes plain lines, to stdout or, where nobody types, to another file; what was typed is there already."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    def line(self, sign: str, text: str, style: str = "") -> None:
        """Show something: `>` what was sent, `<` what came, `-` a note, `!` what went wrong."""
        print(f"{_now()} {sign} {printable(text)}", file=self._file, flush=True)

    def sent(self, text: str) -> None:
        """Show what was typed and sent."""

    def note(self, text: str) -> None:
        """Show a note."""
        self.line("-", text, "cyan")

    def fault(self, text: str) -> None:
        """Show something that went wrong but does not end the conversation."""
        self.line("!", text, "red")

    def received(self, args: MessageWebSocketMessageReceivedEventArgs) -> None:
        """Show a message."""
        if args.text is None:
            self.line("<", hexadecimal(args.data), "magenta")
        else:
            self.line("<", args.text, "green")

    def pinged(self, what: str, payload: bytes) -> None:
        """Show a Ping or Pong."""
        self.note(f"{what} {hexadecimal(payload)}" if payload else what)

    def connected(self, socket: MessageWebSocket) -> None:
        """Say who is at the other end and, to a person who types, what can be typed."""
        information = socket.information
        protocol = f", subprotocol {information.protocol}" if information.protocol else ""
        # Over a Unix socket nobody has an address.
        where = f" at {information.remote_address}" if information.remote_address is not None else ""
        through = f" through {information.proxy}" if information.proxy else ""
        hint = "; /help says what can be typed" if self._file is None else ""
        self.note(f"connected to {shown_uri(socket.uri)}{where}{through}{protocol}{hint}")

    def ended(self, socket: MessageWebSocket) -> None:
        """Say how the connection has ended."""
        information = socket.information
        code = "" if information.close_code is None else f" {information.close_code}"
        reason = f" {information.close_reason}" if information.close_reason else ""
        who = "the server closed" if information.close_cause is CloseCause.PEER else "closed"
        self.note(f"{who}:{code}{reason}")


class RichScreen(Screen):
    """Writes coloured lines, those that were typed as well, above the line that is being typed."""

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__()
        # Without a file of its own it follows sys.stdout, which the prompt replaces while a line is typed.
        self._console = Console(force_terminal=True, highlight=False, soft_wrap=True)

    def line(self, sign: str, text: str, style: str = "") -> None:
        """Show something; see Screen.line."""
        from rich.text import Text

        shown = Text.assemble((_now(), "dim"), " ", (sign, f"bold {style}"), " ", (printable(text), style))
        self._console.print(shown)

    def sent(self, text: str) -> None:
        """Show what was typed and sent."""
        self.line(">", text, "blue")


def shown_uri(uri: str | None) -> str:
    """Return a URI without its query: that may be a token, and what is shown goes to logs."""
    start, question_mark, _ = (uri or "").partition("?")
    return f"{start}{'?…' if question_mark else ''}"


def printable(text: str) -> str:
    """Return a text that does nothing to a terminal: characters that cannot be seen are escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text
    )


def hexadecimal(data: bytes) -> str:
    """Return the first bytes in hexadecimal form, and how many there are in all."""
    more = " …" if len(data) > _MAX_SHOWN_BYTES else ""
    return f"{data[:_MAX_SHOWN_BYTES].hex(' ')}{more} [{len(data):,} bytes]"


def _now() -> str:
    return dt.datetime.now().strftime("%H:%M:%S.%f")[:-3]
