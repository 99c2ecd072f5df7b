"""Receive a file of any size until the server closes, with a progress bar and the rate.

    python -m syncws echo --send film.mkv
    python examples/receive_file.py ws://127.0.0.1:8765/ received.mkv

Neither the number nor the size of the server's messages matters, and the program takes no memory for them: what is not
written to the disk yet waits in the inbox, and when that is full TCP holds the server. Needs tqdm, which the extra
`examples` installs. The bar is shown on a terminal only.
"""

import hashlib
import sys
import time

from tqdm import tqdm

from syncws import StreamWebSocket, WebSocketError


def receive_file(socket: StreamWebSocket, path: str) -> tuple[int, str]:
    """Write everything that comes to the file; return the size in bytes and the SHA-256."""
    size = 0
    digest = hashlib.sha256()
    source = socket.input_stream.as_file()
    with open(path, "wb") as file, tqdm(unit="B", unit_scale=True, unit_divisor=1024, disable=None) as bar:
        while piece := source.read1():
            file.write(piece)
            digest.update(piece)
            bar.update(len(piece))
            size += len(piece)
    return size, digest.hexdigest()


def main(uri: str, path: str) -> int:
    """Connect, and receive until the end."""
    try:
        with StreamWebSocket() as socket:
            socket.connect(uri, timeout=5)
            start = time.monotonic()
            size, digest = receive_file(socket, path)
            seconds = time.monotonic() - start
    except WebSocketError as error:
        # A lost connection comes here, after what had arrived was written; so does a server that is silent for longer
        # than control.receive_timeout.
        print(f"{WebSocketError.get_status(error.hresult).name}: {error}", file=sys.stderr)
        return 1
    print(f"received {size:,} bytes in {seconds:.2f} s: {size / max(seconds, 1e-9) / 2**20:,.1f} MiB/s")
    print(f"sha256 {digest}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} ws://host/path FILE")
    sys.exit(main(sys.argv[1], sys.argv[2]))
