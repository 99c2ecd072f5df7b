"""`syncws connect URL`, which is also `syncws URL`: a conversation with a server, typed or piped.

Runs on the main thread; see conversation.py for the others.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from syncws import MessageWebSocket
from syncws.cli import lines
from syncws.cli.conversation import Conversation
from syncws.cli.exits import CommandError, ExitCode, check_how_it_ended
from syncws.cli.options import Commands, add_command, connect, made, seconds
from syncws.cli.screen import RichScreen, Screen
from syncws.cli.typed import COMMANDS, execute

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Connect to a server. On a terminal you type messages, and see what comes with its time; /help says what else there is.
Otherwise each line of stdin is a message, each message that comes is a line of stdout, and the end of stdin closes.
`syncws URL` is the same. History and colours come with the extra cli: pip install 'syncws[cli]'.
"""
_WAIT = 2.0


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(commands, "connect", "talk to a server, on a terminal or through pipes", _DESCRIPTION)
    group = parser.add_argument_group("messages; on a terminal the first three are not typed")
    group.add_argument(
        "-m", "--message", action="append", default=[], metavar="TEXT", help="send this, not stdin; may be repeated"
    )
    group.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="send the content of a file as one message, not stdin; may be repeated",
    )
    group.add_argument("--json", action="store_true", help="a line is a JSON value, each way; others are refused")
    group.add_argument(
        "-b",
        "--binary",
        action="store_true",
        help="send stdin, or each file, as one binary message, and write the bytes of what comes as they are",
    )
    group.add_argument(
        "-w",
        "--wait",
        type=seconds,
        default=_WAIT,
        metavar="SECONDS",
        help="after the last message was sent, go on until none has come for so long (default: %(default)g)",
    )
    group.add_argument("-n", "--count", type=_count, metavar="N", help="close after so many messages have come")
    group.add_argument("--max-size", type=int, metavar="BYTES", help="of a message that comes (default: 67108864)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Talk until stdin or the server ends it; return 0.

    Raises:
        CommandError: wrong options or lines, or the server has closed with a code that is no orderly end.
        WebSocketError: the library's.
        OSError: a file cannot be read, or nobody reads the output.
    """
    if options.json and options.binary:
        raise CommandError("--json and --binary exclude each other", ExitCode.USAGE)
    is_typed = not (options.message or options.file or options.json or options.binary)
    with made(options, MessageWebSocket) as socket:
        if options.max_size is not None:
            socket.control.max_message_size = options.max_size
        if not (is_typed and sys.stdin.isatty() and sys.stdout.isatty()):
            _piped(options, socket)
        elif _has_prompt():
            _prompted(options, socket)
        else:
            _typed(options, socket)
        check_how_it_ended(socket)
    return ExitCode.OK


def _piped(options: argparse.Namespace, socket: MessageWebSocket) -> None:
    plain = lines.show_binary if options.binary else lines.show_as_text
    show = lines.show_as_json if options.json else plain
    conversation = Conversation(socket, show, options.count)
    connect(options, socket)
    conversation.run(lambda: _send_all(socket, _messages(options)), options.wait)
    socket.close(1000)


def _send_all(socket: MessageWebSocket, messages: Iterable[str | bytes]) -> None:
    for message in messages:
        socket.send(message)


def _messages(options: argparse.Namespace) -> Iterable[str | bytes]:
    if not (options.message or options.file):
        yield from _from_stdin(options)
        return
    for text in options.message:
        yield _checked_json(text, "--message") if options.json else text
    for path in options.file:
        content = path.read_bytes()
        yield content if options.binary else _text_of(content, path, is_json=options.json)


def _from_stdin(options: argparse.Namespace) -> Iterable[str | bytes]:
    if options.binary:
        yield lines.read_all()
    elif options.json:
        for number, line in enumerate(lines.read_lines(), 1):
            if line.strip():
                yield _checked_json(line, f"line {number} of stdin")
    else:
        yield from lines.read_lines()


def _text_of(content: bytes, path: Path, *, is_json: bool) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise CommandError(f"{path} is no UTF-8: use --binary to send it as it is", ExitCode.USAGE) from None
    return _checked_json(text, str(path)) if is_json else text


def _checked_json(text: str, where: str) -> str:
    if not lines.is_json(text):
        raise CommandError(f"{where} is no JSON", ExitCode.USAGE)
    return text


def _has_prompt() -> bool:
    try:
        import prompt_toolkit
        import rich
    except ImportError:
        return False
    return bool(prompt_toolkit and rich)


def _typed(options: argparse.Namespace, socket: MessageWebSocket) -> None:
    screen = Screen()
    conversation = Conversation(socket, screen.received, options.count)
    connect(options, socket)
    screen.connected(socket)

    def feed() -> None:
        for line in lines.read_lines():
            execute(socket, line, screen)

    _to_the_end(socket, screen, lambda: conversation.run(feed, 0))


def _prompted(options: argparse.Namespace, socket: MessageWebSocket) -> None:
    from syncws.cli.prompt import Prompt

    screen = RichScreen()
    prompt = Prompt([*COMMANDS])
    conversation = Conversation(socket, screen.received, options.count, prompt.end)
    connect(options, socket)
    screen.connected(socket)

    def talk() -> None:
        prompt.run(lambda line: execute(socket, line, screen))
        conversation.raise_failure()

    _to_the_end(socket, screen, talk)


def _to_the_end(socket: MessageWebSocket, screen: Screen, talk: Callable[[], object]) -> None:
    """Talk, close, and say how it ended, also after Ctrl-C."""
    try:
        talk()
    finally:
        socket.close(1000)
        screen.ended(socket)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"must be a number from 1 on, not {text}")
    return int(text)
