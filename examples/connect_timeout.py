"""Connecting with a time limit, as the WinRT guide's example does it: cancelled after five seconds.

    python -m syncws echo
    python examples/connect_timeout.py ws://127.0.0.1:8765/ [SECONDS]

Without a limit of your own, each of a name's addresses, five at most, has 60 seconds. Here a CancellationTokenSource
ends the connect; `connect(uri, timeout=5)` does the same more simply, and with the status TIMEOUT.
"""

import sys

from syncws import (
    CancellationTokenSource,
    MessageWebSocket,
    WebErrorStatus,
    WebSocketError,
)


def main(uri: str, seconds: float) -> int:
    """Connect, and say what came of it."""
    with MessageWebSocket() as socket, CancellationTokenSource() as source:
        source.cancel_after(seconds)
        try:
            socket.connect(uri, cancellation_token=source.token)
        except WebSocketError as error:
            status = WebSocketError.get_status(error.hresult)
            if status is WebErrorStatus.OPERATION_CANCELED:
                print(f"timed out after {seconds:g} s")
            else:
                print(f"failed: {status.name}")
            for attempt in error.attempts:
                print(f"  {attempt.address}: {attempt.error}, after {attempt.seconds:.2f} s")
            return 1
        # Cancelling what has completed has no effect.
        source.cancel()
        print(f"connected to {socket.information.remote_address}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: {sys.argv[0]} ws://host/path [SECONDS]")
    sys.exit(main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) == 3 else 5.0))
