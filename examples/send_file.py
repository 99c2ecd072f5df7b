"""Send a file of any size as one message, with a progress bar and the rate.

    python -m syncws echo
    python examples/send_file.py ws://127.0.0.1:8765/ film.mkv

The file is mapped, not read: however large it is, the program takes no memory for it. What the server sends meanwhile
is read and thrown away: an echo server, and so we, would wait for ever if nobody read it. Needs tqdm, which the extra
`examples` installs. The bar is shown on a terminal only.
"""

import mmap
import os
import sys
import threading
import time

from tqdm import tqdm

from syncws import StreamWebSocket, WebSocketError


def send_file(socket: StreamWebSocket, path: str) -> int:
    """Send the file; return its size in bytes."""
    size = os.path.getsize(path)
    if not size:
        return socket.output_stream.write(b"")
    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        tqdm(total=size, unit="B", unit_scale=True, unit_divisor=1024, disable=None) as bar,
    ):
        return socket.output_stream.write(content, lambda sent: bar.update(sent - bar.n))


def throw_away(socket: StreamWebSocket) -> None:
    """Read what the server sends until the connection is over."""
    answers = socket.input_stream.as_file()
    try:
        while answers.read1():
            pass
    except WebSocketError:
        # The sending reports it too.
        pass


def main(uri: str, path: str) -> int:
    """Connect, send the file, close."""
    try:
        with StreamWebSocket() as socket:
            # What the system still holds at the end may take a while on a slow line.
            socket.control.close_timeout = 60
            socket.control.receive_timeout = None
            socket.connect(uri, timeout=5)
            reading = threading.Thread(target=throw_away, args=(socket,))
            reading.start()
            start = time.monotonic()
            size = send_file(socket, path)
            # Closing waits for the server, which answers when it has read everything.
            socket.close(1000, "")
            seconds = time.monotonic() - start
            code, reason = socket.information.close_code, socket.information.close_reason
    except WebSocketError as error:
        print(f"{WebSocketError.get_status(error.hresult).name}: {error}", file=sys.stderr)
        return 1
    # A server may close before it has taken everything: with 1009 when the message is too big for it.
    if code != 1000:
        print(f"the server did not take the file: it closed with {code} {reason}".rstrip(), file=sys.stderr)
        return 1
    print(f"sent {size:,} bytes in {seconds:.2f} s: {size / max(seconds, 1e-9) / 2**20:,.1f} MiB/s")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} ws://host/path FILE")
    sys.exit(main(sys.argv[1], sys.argv[2]))
