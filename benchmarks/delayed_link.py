"""A link with a delay, for benchmarks/link.py: what either side sends reaches the other so much later, in its order.

Run as a process of its own: `python benchmarks/delayed_link.py PORT MILLISECONDS` prints the port that leads to PORT of
loopback; the time is that for one direction. TCP's own handshake is not delayed: the system answers it, not the link.
"""

import contextlib
import math
import selectors
import socket
import sys
import threading
import time
from collections import deque

_CHUNK = 1 << 18


class _Connection:
    """What is under way between two sockets, by the one it came from: when it is due, and bytes; b"" for the end."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self._ways = ((near, far), (far, near))
        self._under_way: dict[socket.socket, deque[tuple[float, bytes]]] = {near: deque(), far: deque()}
        self._ended = 0
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def due(self) -> float:
        """When deliver() has something to do."""
        return min((waiting[0][0] for waiting in self._under_way.values() if waiting), default=math.inf)

    def take(self, source: socket.socket, delay: float) -> bool:
        """Take what has come; return whether more can come."""
        try:
            chunk = source.recv(_CHUNK)
        except OSError:
            chunk = b""
        self._under_way[source].append((time.monotonic() + delay, chunk))
        return bool(chunk)

    def deliver(self) -> bool:
        """Send what is due; close both sockets behind both ends, and return whether they are open."""
        for source, target in self._ways:
            waiting = self._under_way[source]
            while waiting and waiting[0][0] <= time.monotonic():
                _, chunk = waiting.popleft()
                # A side that is gone takes nothing.
                with contextlib.suppress(OSError):
                    if chunk:
                        target.sendall(chunk)
                    else:
                        self._ended += 1
                        target.shutdown(socket.SHUT_WR)
        if self._ended == 2:
            for one in self._under_way:
                one.close()
        return self._ended < 2


def _relay(listener: socket.socket, port: int, delay: float) -> None:
    # poll and epoll wait for whole milliseconds.
    selector = selectors.SelectSelector()
    selector.register(listener, selectors.EVENT_READ)
    connections: list[_Connection] = []
    while True:
        due = min((one.due for one in connections), default=math.inf)
        for key, _ in selector.select(None if due == math.inf else max(0.0, due - time.monotonic())):
            if key.data is None:
                near, far = listener.accept()[0], socket.create_connection(("127.0.0.1", port))
                connections.append(_Connection(near, far))
                for one in (near, far):
                    selector.register(one, selectors.EVENT_READ, connections[-1])
            elif not key.data.take(key.fileobj, delay):
                selector.unregister(key.fileobj)
        connections = [one for one in connections if one.deliver()]


def main() -> None:
    """Relay until standard input ends."""
    port, milliseconds = sys.argv[1:]
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    arguments = (listener, int(port), float(milliseconds) / 1000)
    threading.Thread(target=_relay, args=arguments, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
