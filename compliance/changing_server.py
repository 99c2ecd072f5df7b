"""A server that numbers what it sends, and now and then restarts, refuses, is busy, wants another token, or is silent.

May import `websockets` and the standard library only. It has a thread that accepts, and one for each connection; a
fault is an attribute that they look at, or a call of the campaign's.
"""

import contextlib
import http
import secrets
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

__all__ = ["FAULTS", "ChangingServer"]

FAULTS = ("reset", "end of TCP", "restart", "refuse", "busy", "token", "black hole", "silence")
_FAULT_SECONDS = 1.2
_SEND_SECONDS = 0.01
_LIMIT = 30.0


@dataclass
class _Peer:
    """One connection as the server sees it.

    Attributes:
        client: the path that it asked for.
        sent: the numbers that have gone to it, in order.
        is_orderly: True when the server ended it so that all of `sent` must come to the client.
    """

    stream: socket.socket
    client: str = ""
    sent: list[int] = field(default_factory=list)
    is_orderly: bool = False
    end: str = ""


class ChangingServer:
    """Listens on one port of loopback; a context manager that stops on exit.

    Attributes:
        peers: all connections whose handshake was accepted.
        received: for each client's path, the messages that came from it, in order.
        token: what a request must bring.
    """

    def __init__(self) -> None:
        self.peers: list[_Peer] = []
        self.received: dict[str, list[str]] = {}
        self.token = secrets.token_hex(8)
        self._mode = "serve"
        self._numbers = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.uri = f"ws://127.0.0.1:{self._address[1]}/"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._close_listener()
        for thread in self._threads:
            thread.join(_LIMIT)

    def _start(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads = [one for one in self._threads if one.is_alive()]
        thread.start()
        self._threads.append(thread)

    # Faults.

    def break_down(self, fault: str) -> None:
        """Do a fault, and be as before after a moment."""
        endings = {"refuse": "reset", "black hole": "end of TCP", "busy": "restart", "token": "restart"}
        if fault == "token":
            self.token = secrets.token_hex(8)
        if fault in ("busy", "black hole"):
            self._mode = fault
        if fault == "refuse":
            self._close_listener()
        for peer in list(self.peers):
            peer.end = peer.end or endings.get(fault, fault)
        if fault in ("refuse", "busy", "black hole"):
            self._stop.wait(_FAULT_SECONDS)
        self._mode = "serve"
        if fault == "refuse":
            self._listener = socket.create_server(self._address[:2])
            self._start(self._accept)

    def _close_listener(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    # Connections.

    def _accept(self) -> None:
        listener = self._listener
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            self._start(self._serve, stream)

    def _serve(self, stream: socket.socket) -> None:
        with stream, contextlib.suppress(OSError):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._mode == "black hole":
                while self._mode == "black hole" and not self._stop.is_set():
                    self._stop.wait(0.05)
                return
            stream.settimeout(_LIMIT)
            protocol = ServerProtocol(max_size=None)
            if self._shake_hands(stream, protocol):
                self._talk(stream, protocol)

    def _shake_hands(self, stream: socket.socket, protocol: ServerProtocol) -> bool:
        request = None
        while request is None:
            data = stream.recv(65536)
            if not data:
                return False
            protocol.receive_data(data)
            request = next((event for event in protocol.events_received() if isinstance(event, Request)), None)
        if self._mode == "busy":
            response = protocol.reject(http.HTTPStatus.SERVICE_UNAVAILABLE, "busy")
            response.headers["Retry-After"] = "1"
        elif request.headers.get("X-Token") != self.token:
            response = protocol.reject(http.HTTPStatus.UNAUTHORIZED, "which token?")
        else:
            response = protocol.accept(request)
        protocol.send_response(response)
        # Noted first: the client may go on at once.
        if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.peers.append(_Peer(stream, request.path))
        for piece in protocol.data_to_send():
            stream.sendall(piece)
        return response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS

    def _talk(self, stream: socket.socket, protocol: ServerProtocol) -> None:
        peer = next(one for one in self.peers if one.stream is stream)
        received = self.received.setdefault(peer.client, [])
        next_send = time.monotonic()
        stream.settimeout(_SEND_SECONDS)
        while not (peer.end or self._stop.is_set()):
            if time.monotonic() >= next_send and protocol.state is State.OPEN:
                next_send += _SEND_SECONDS
                with self._lock:
                    number = self._numbers = self._numbers + 1
                protocol.send_text(str(number).encode())
                self._flush(stream, protocol)
                peer.sent.append(number)
            if not self._take(stream, protocol, received):
                # By the client, whatever was on its way.
                return
        self._end(stream, protocol, peer, received)

    def _take(self, stream: socket.socket, protocol: ServerProtocol, received: list[str]) -> bool:
        """Take what comes within a moment; False at the end of the connection."""
        try:
            data = stream.recv(65536)
        except TimeoutError:
            return True
        if not data:
            return False
        protocol.receive_data(data)
        for event in protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                received.append(bytes(event.data).decode())
        self._flush(stream, protocol)
        return True

    def _flush(self, stream: socket.socket, protocol: ServerProtocol) -> None:
        for piece in protocol.data_to_send():
            if piece:
                stream.sendall(piece)

    def _end(self, stream: socket.socket, protocol: ServerProtocol, peer: _Peer, received: list[str]) -> None:
        stream.settimeout(_LIMIT)
        if peer.end == "reset":
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if peer.end == "silence":
            # Reads nothing and says nothing, until the client has had enough and the system tells.
            while not self._stop.wait(0.05):
                if struct.unpack("B", stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0] != 1:
                    return
            return
        peer.is_orderly = True
        if peer.end == "restart" or self._stop.is_set():
            if protocol.state is State.OPEN:
                protocol.send_close(1012, "restart")
            self._flush(stream, protocol)
        else:
            stream.shutdown(socket.SHUT_WR)
        while self._take(stream, protocol, received):
            pass
