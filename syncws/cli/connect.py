"""`syncws connect URL`, which is also `syncws URL`: a conversation with a server, typed or piped.

Runs on the main thread; see conversation.py for the others.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO, TypeAlias, TypeVar

from syncws import MessageWebSocket
from syncws.cli import lines
from syncws.cli.conversation import Conversation
from syncws.cli.exits import CommandError, ExitCode, check_close_code, check_how_it_ended
from syncws.cli.lasting import Lasting
from syncws.cli.options import Commands, add_command, connect, new_socket, seconds, whole
from syncws.cli.screen import RichScreen, Screen
from syncws.cli.typed import COMMANDS, execute

__all__ = ["add_to", "run"]

_DESCRIPTION = """\
Connect to a server. On a terminal you type messages, and see what comes with its time; /help says what else can be
typed. Otherwise each line of stdin is a message, each message that comes is a line of stdout, and the end of stdin
closes the connection.
`syncws URL` is the same. History and colours come with the extra cli: pip install "syncws[cli]".
"""
_WAIT = 2.0
# Without a Close frame of the server: many end TCP in place of it.
_NONE_CAME = 1006

_Message = TypeVar("_Message", str, str | bytes)
_Talk: TypeAlias = Callable[[Callable[[str], object]], None]


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(commands, "connect", "talk to a server, on a terminal or through pipes", _DESCRIPTION)
    group = parser.add_argument_group("messages; with -m, -f, --json or -b nothing is typed, even on a terminal")
    group.add_argument(
        "-m",
        "--message",
        action="append",
        default=[],
        type=_text,
        metavar="TEXT",
        help="send this, not stdin; may be repeated",
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
    group.add_argument(
        "--first",
        action="append",
        default=[],
        type=_text,
        metavar="TEXT",
        help="send this before all others; may be repeated",
    )
    group.add_argument(
        "--json", action="store_true", help="each line is a JSON value, both ways; anything else is not sent"
    )
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
        help="after the last message is sent, go on until none has come for this long (default: %(default)g)",
    )
    group.add_argument("-n", "--count", type=whole(1), metavar="N", help="close after this many messages have come")
    group.add_argument("-P", "--pings", action="store_true", help="on a terminal: show the Pings and Pongs that come")
    group.add_argument(
        "--reconnect",
        action="store_true",
        help="connect again when the connection is over, as long as that has a chance; --first is sent each time",
    )
    group.add_argument(
        "--max-size",
        type=whole(0, 0xFFFFFFFF),
        dest="max_message_size",
        default=argparse.SUPPRESS,
        metavar="BYTES",
        help="largest message to accept (default: 67108864)",
    )
    parser.set_defaults(run=run)


def _text(argument: str) -> str:
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("must be UTF-8: use --file and --binary to send other bytes") from None
    return argument


def run(options: argparse.Namespace) -> int:
    """Talk until stdin or the server ends it; return 0.

    Raises:
        CommandError: wrong options or lines, or the server has closed with a code that is not an orderly end.
        WebSocketError: the library's.
        OSError: a file is not there or cannot be read, or nobody reads the output.
    """
    _check_what_is_sent(options)
    is_typed = not (options.message or options.file or options.json or options.binary)
    is_on_terminal = is_typed and _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
    if options.reconnect:
        _over_and_over(options, is_on_terminal=is_on_terminal)
        return ExitCode.OK
    with new_socket(options, MessageWebSocket) as socket:
        if not is_on_terminal:
            _piped(options, socket)
        else:
            _typed(options, socket)
            check_how_it_ended(socket)
    return ExitCode.OK


def _check_what_is_sent(options: argparse.Namespace) -> None:
    if options.json and options.binary:
        raise CommandError("--json and --binary exclude each other", ExitCode.USAGE)
    for text in options.message if options.json else ():
        _checked_json(text, "--message")
    for path in options.file:
        # Of one that is not there this raises. A pipe is not opened: its writer would take that for its reader.
        path.stat()
        if path.is_file() or path.is_dir():
            path.open("rb").close()


def _is_terminal(file: TextIO) -> bool:
    if not file.isatty():
        return False
    if sys.platform != "win32":
        return True
    # Windows calls NUL a terminal too, which is the stdin of a service; only a console has a mode.
    import ctypes
    import msvcrt

    handle = ctypes.c_void_p(msvcrt.get_osfhandle(file.fileno()))
    return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(ctypes.c_ulong())))


def _piped(options: argparse.Namespace, socket: MessageWebSocket) -> None:
    conversation = Conversation(_way_to_show(options), options.count)
    conversation.listen_to(socket)
    connect(options, socket)
    _begin(options, socket)
    conversation.run(lambda: _send_all(socket.send, _messages(options)), options.wait)
    socket.close(1000)
    if socket.information.close_code != _NONE_CAME:
        # What the server has found wrong in the last message may cross our Close frame, or answer it.
        check_close_code(socket)


def _way_to_show(options: argparse.Namespace) -> Callable[[lines.Args], None]:
    plain = lines.show_binary if options.binary else lines.show_as_text
    return lines.show_as_json if options.json else plain


def _begin(options: argparse.Namespace, socket: MessageWebSocket, screen: Screen | None = None) -> None:
    if screen is not None and options.pings:
        socket.ping_received += lambda sender, args: screen.pinged("ping", args.payload)
        socket.pong_received += lambda sender, args: screen.pinged("pong", args.payload)
    for text in options.first:
        socket.send(text)


def _send_all(send: Callable[[_Message], object], messages: Iterable[_Message]) -> None:
    for message in messages:
        send(message)


def _messages(options: argparse.Namespace) -> Iterable[str | bytes]:
    if not (options.message or options.file):
        yield from _from_stdin(options)
        return
    yield from options.message
    for path in options.file:
        content = path.read_bytes()
        yield content if options.binary else _text_of(content, path, is_json=options.json)


def _from_stdin(options: argparse.Namespace) -> Iterable[str | bytes]:
    if options.binary:
        # As the other forms, an empty stdin sends nothing: whoever only listens has it so.
        if content := lines.read_all():
            yield content
    elif options.json:
        for number, line in enumerate(lines.read_lines(), 1):
            if line.strip():
                yield _checked_json(line, f"line {number} of stdin")
    else:
        yield from lines.read_lines()


def _text_of(content: bytes, path: Path, *, is_json: bool) -> str:
    try:
        # As in lines.py, without the byte order mark of Notepad and PowerShell.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8: use --binary to send it as it is", ExitCode.USAGE) from None
    return _checked_json(text, str(path)) if is_json else text


def _checked_json(text: str, where: str) -> str:
    if not lines.is_json(text):
        raise CommandError(f"{where} is not JSON", ExitCode.USAGE)
    return text


def _has_prompt() -> bool:
    try:
        import rich
        from prompt_toolkit.utils import is_dumb_terminal
    except ImportError:
        return False
    # On a dumb one it reads by an application of its own, which Prompt.end() does not reach.
    return bool(rich) and not is_dumb_terminal()


def _typed(options: argparse.Namespace, socket: MessageWebSocket) -> None:
    screen, conversation, talk = _terminal(options)
    conversation.listen_to(socket)
    connect(options, socket)
    screen.connected(socket)
    try:
        # Which Ctrl-C leaves without waiting for the server for long.
        with socket:
            _begin(options, socket, screen)
            talk(lambda line: execute(socket, line, screen))
            socket.close(1000)
    finally:
        screen.ended(socket)


def _over_and_over(options: argparse.Namespace, *, is_on_terminal: bool) -> None:
    if is_on_terminal:
        screen, conversation, talk = _terminal(options)
        with Lasting(options, conversation, screen, lambda socket: _begin(options, socket, screen)) as lasting:
            talk(lasting.execute)
            lasting.close()
        return
    conversation = Conversation(_way_to_show(options), options.count)
    with Lasting(options, conversation, Screen(sys.stderr), lambda socket: _begin(options, socket)) as lasting:
        conversation.run(lambda: lasting.send_all(_messages(options)), options.wait)
        lasting.close()


def _terminal(options: argparse.Namespace) -> tuple[Screen, Conversation, _Talk]:
    """Return a screen, the conversation that it shows, and a function that passes typed lines on until that is over."""
    if not _has_prompt():
        screen = Screen()
        plain = Conversation(screen.received, options.count)

        def read(take: Callable[[str], object]) -> None:
            plain.run(lambda: _send_all(take, lines.read_lines()), 0)

        return screen, plain, read
    from syncws.cli.prompt import Prompt

    coloured = RichScreen()
    prompt = Prompt([*COMMANDS])
    conversation = Conversation(coloured.received, options.count, prompt.end)

    def ask(take: Callable[[str], object]) -> None:
        prompt.run(take)
        conversation.raise_failure()

    return coloured, conversation, ask
