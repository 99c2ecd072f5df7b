"""Scenario 2 of Microsoft's WebSocket sample, a binary data stream: send and receive at the same time until stopped.

    python -m syncws echo --tls
    python examples/windows_sample/scenario2_binary.py wss://127.0.0.1:8766/ --count 5

Ten bytes go out each second, written to the output stream without a DataWriter; another thread reads whatever comes.
Ctrl-C stops it, or --count after so many writes.
"""

import argparse
import sys
import threading

from sample_configuration import append_output_line, build_web_socket_error, take_test_certificates, try_get_uri

from syncws import (
    Buffer,
    InputStreamOptions,
    StreamWebSocket,
    WebErrorStatus,
    WebSocketClosedEventArgs,
    WebSocketError,
)

_DATA = bytes(range(10))


class Transfer:
    """Both directions of one connection, until it is stopped or lost."""

    def __init__(self, socket: StreamWebSocket, interval: float, count: int | None) -> None:
        """Prepare; `count` None for no end."""
        self._socket = socket
        self._interval = interval
        self._count = count
        self._changed = threading.Condition()
        self._is_stopped = False
        self.sent = self.received = 0
        self.failure: WebSocketError | None = None

    def run(self) -> None:
        """Send in this thread and receive in another; return when the last byte is back, or by what was raised."""
        reading = threading.Thread(target=self._receive, daemon=True)
        append_output_line("Background read starting.")
        reading.start()
        try:
            self._send()
            with self._changed:
                self._changed.wait_for(lambda: self._is_stopped or self.received >= self.sent, timeout=30)
        except WebSocketError as error:
            self._fail(error)
        finally:
            with self._changed:
                self._is_stopped = True
            self._socket.close(1000, "Closed due to user request.")
            reading.join(timeout=10)

    def _send(self) -> None:
        append_output_line(f"Background sending data in {len(_DATA)} byte chunks, one each {self._interval:g} s.")
        while not self._is_stopped and (self._count is None or self.sent < self._count * len(_DATA)):
            self.sent += self._socket.output_stream.write(_DATA)
            with self._changed:
                # Not a sleep: the end of the connection ends it.
                self._changed.wait_for(lambda: self._is_stopped, timeout=self._interval)
        append_output_line("Background write stopped.")

    def _receive(self) -> None:
        buffer = Buffer(1000)
        try:
            while self._socket.input_stream.read(buffer, buffer.capacity, InputStreamOptions.PARTIAL).length:
                with self._changed:
                    self.received += buffer.length
                    self._changed.notify_all()
        except WebSocketError as error:
            self._fail(error)
        append_output_line("Background read stopped.")
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _fail(self, error: WebSocketError) -> None:
        # What was under way when we stopped it is no failure.
        if not self._is_stopped and error.status is not WebErrorStatus.OPERATION_CANCELED:
            self.failure = error


def closed(_: StreamWebSocket, args: WebSocketClosedEventArgs) -> None:
    """Show how the connection ended, whoever ended it."""
    append_output_line(f"Closed; Code: {args.code}, Reason: {args.reason}")


def main(address: str, issuer: str, interval: float, count: int | None) -> int:
    """Run the scenario."""
    server = try_get_uri(address)
    if server is None:
        return 1
    with StreamWebSocket() as socket:
        socket.closed += closed
        if server.scheme_name == "wss":
            take_test_certificates(socket, issuer)
        append_output_line(f"Connecting to {server}...")
        try:
            socket.connect(server, timeout=10)
        except WebSocketError as error:
            append_output_line(f"{build_web_socket_error(error)}\n{error.message}")
            return 1
        transfer = Transfer(socket, interval, count)
        try:
            transfer.run()
        except KeyboardInterrupt:
            append_output_line("Stopping")
        socket.wait_closed(timeout=10)
    append_output_line(f"Data sent: {transfer.sent}, data received: {transfer.received}")
    if transfer.failure is not None:
        append_output_line(build_web_socket_error(transfer.failure))
        append_output_line(transfer.failure.message)
        return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("--issuer", default="syncws echo", help="part of the name of the certificate's issuer")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between two writes")
    parser.add_argument("--count", type=int, help="writes; without end when not given")
    options = parser.parse_args()
    sys.exit(main(options.uri, options.issuer, options.interval, options.count))
