"""A conversation that goes on over one connection after the other: what connect --reconnect does.

Losses are shown on the thread of the ReconnectingWebSocket; one more thread waits for the final end.
"""

import argparse
import logging
import threading
from collections.abc import Callable, Iterable

from syncws import (
    ConnectedEventArgs,
    ConnectionOverError,
    DisconnectedEventArgs,
    InvalidArgumentError,
    MessageWebSocket,
    OperationTimedOutError,
    ReconnectingEventArgs,
    ReconnectingWebSocket,
)
from syncws.cli.conversation import Conversation
from syncws.cli.options import add_advice, headers, pin_check, settings
from syncws.cli.screen import Screen
from syncws.cli.typed import close, execute

__all__ = ["Lasting"]


class Lasting:
    """Connects again whenever the connection is over and another has a chance; a context manager.

    Args:
        options: of the command.
        conversation: is shown the messages, and is over when this is.
        screen: is told of connections and losses.
        begin: called with the socket of each connection, before its messages are shown.

    Raises:
        CommandError: options that do not go together.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        conversation: Conversation,
        screen: Screen,
        begin: Callable[[MessageWebSocket], object],
    ) -> None:
        self._conversation = conversation
        self._screen = screen
        self._check_pin = pin_check(options)
        # The one that is connecting, or connected.
        self._latest: MessageWebSocket | None = None
        self._socket = ReconnectingWebSocket(
            options.url,
            headers=headers(options),
            timeout=options.timeout,
            on_connecting=self._prepare,
            on_connected=begin,
            unix_path=options.unix,
            **settings(options),
        )
        self._socket.message_received += conversation.received
        self._socket.connected += self._connected
        self._socket.disconnected += self._disconnected
        self._socket.reconnecting += self._reconnecting
        # Set by the first connection, however short, or by the end.
        self._has_begun = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="syncws-watch", daemon=True)

    def send_all(self, messages: Iterable[str | bytes]) -> None:
        """Send each over this connection or, when it turns out to be over, the next.

        Waits for the first connection even if there is nothing to send: a server that is not there is not silent.

        Raises:
            WebSocketError: there will not be another.
        """
        self._has_begun.wait()
        for message in messages:
            self._send(message)

    def _send(self, message: str | bytes) -> None:
        while self._socket.wait_connected():
            try:
                self._socket.send(message)
            except ConnectionOverError:
                continue
            except OperationTimedOutError:
                # As good as over: the server takes nothing any more.
                if (socket := self._socket.socket) is not None:
                    socket.abort()
                continue
            return

    def execute(self, line: str) -> None:
        """Do what a typed line asks for, if there is a connection at the moment."""
        word, _, rest = line.partition(" ")
        socket = self._socket.socket
        try:
            if word == "/close":
                # This connection and those to come.
                close(self._socket, rest.strip(), self._screen)
            elif socket is None:
                self._screen.fault("there is no connection at the moment")
            else:
                execute(socket, line, self._screen)
        except (ConnectionOverError, InvalidArgumentError, OperationTimedOutError) as error:
            self._screen.fault(error.message)

    def close(self) -> None:
        """Close it with 1000, and connect no more."""
        self._socket.close(1000)

    def __enter__(self) -> "Lasting":
        # Why it gives up is told when this ends; without a handler of the log Python would write it to stderr as well.
        logging.getLogger("syncws.reconnecting").addHandler(logging.NullHandler())
        self._socket.start()
        self._watching.start()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._socket.__exit__(exc_type)
        self._watching.join()
        if error is not None and self._latest is not None:
            add_advice(error, self._latest)

    def _watch(self) -> None:
        try:
            self._socket.wait_closed()
        except Exception as error:  # noqa: BLE001 - raised by the main thread
            self._conversation.end(error)
        else:
            self._conversation.end(None)
        finally:
            self._has_begun.set()

    def _prepare(self, socket: MessageWebSocket) -> None:
        self._latest = socket
        self._conversation.watch(socket)
        if self._check_pin is not None:
            socket.server_custom_validation_requested += self._check_pin

    def _connected(self, _: ReconnectingWebSocket, args: ConnectedEventArgs) -> None:
        self._has_begun.set()
        self._screen.connected(args.socket)

    def _disconnected(self, _: ReconnectingWebSocket, args: DisconnectedEventArgs) -> None:
        self._screen.ended(args.socket)

    def _reconnecting(self, _: ReconnectingWebSocket, args: ReconnectingEventArgs) -> None:
        self._screen.note(f"attempt {args.attempt} in {args.delay:.1f} s: {getattr(args.error, 'message', args.error)}")
