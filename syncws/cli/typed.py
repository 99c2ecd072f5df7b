"""What a person types in a conversation: messages, and lines that begin with a slash and do something else.

Runs on the thread that reads the lines.
"""

from collections.abc import Callable

from syncws import InvalidArgumentError, MessageWebSocket, OperationTimedOutError, ReconnectingWebSocket
from syncws.cli.screen import Screen, hexadecimal

__all__ = ["COMMANDS", "close", "execute"]

_HELP = """\
TEXT                   send it
//TEXT                 send /TEXT
/binary HEX            send bytes, as in /binary 00 ff
/ping [TEXT]           send a Ping and wait for the answer
/close [CODE [REASON]] close, with 1000 when no code is given
/help                  this
Ctrl-D                 close with 1000
Ctrl-C                 close without waiting long, and exit with 130"""


def execute(socket: MessageWebSocket, line: str, screen: Screen) -> None:
    """Do what a line asks for; for an unknown command, say so on the screen.

    Raises:
        WebSocketError: sending failed, which ends the conversation.
    """
    word, _, rest = line.partition(" ")
    try:
        if not line.startswith("/"):
            _send(socket, line, screen)
        elif line.startswith("//"):
            _send(socket, line[1:], screen)
        elif (command := COMMANDS.get(word)) is not None:
            command(socket, rest.strip(), screen)
        else:
            screen.fault(f"there is no {word}; /help says what there is, and //… sends a line that begins with a slash")
    except InvalidArgumentError as error:
        screen.fault(error.message)
    except UnicodeEncodeError as error:
        # The terminal has sent bytes that are not UTF-8, in what is sent as bytes.
        screen.fault(str(error))


def _send(socket: MessageWebSocket, text: str, screen: Screen) -> None:
    # Shown first: an answer may come before send() has returned.
    screen.sent(text)
    socket.send(text)


def _binary(socket: MessageWebSocket, text: str, screen: Screen) -> None:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        screen.fault("/binary takes hexadecimal digits, two for each byte, as in /binary 00 ff")
        return
    screen.sent(hexadecimal(data))
    socket.send(data)


def _ping(socket: MessageWebSocket, text: str, screen: Screen) -> None:
    try:
        seconds = socket.ping(text.encode() or None)
    except OperationTimedOutError as error:
        screen.fault(error.message)
    else:
        screen.note(f"pong after {seconds * 1000:.3f} ms")


def close(socket: MessageWebSocket | ReconnectingWebSocket, text: str, screen: Screen) -> None:
    """Close as a line says that has `text` after /close.

    Raises:
        InvalidArgumentError: the code or the reason is not allowed (0x80070057).
    """
    code, _, reason = text.partition(" ")
    # Python reads no integers of thousands of digits.
    if code and not (code.isdecimal() and len(code) <= 20):
        screen.fault("/close takes a number and then a reason, as in /close 1000 good bye")
        return
    socket.close(int(code or "1000"), reason.strip())


def _help(socket: MessageWebSocket, text: str, screen: Screen) -> None:
    for line in _HELP.splitlines():
        screen.note(line)


COMMANDS: dict[str, Callable[[MessageWebSocket, str, Screen], None]] = {
    "/binary": _binary,
    "/ping": _ping,
    "/close": close,
    "/help": _help,
}
