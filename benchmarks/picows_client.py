"""picows among the clients of clients.py: on asyncio's own event loop, which runs for one measurement.

Its listener gets frames, so a message of several is put together here.
"""

import asyncio
from typing import Any

import picows
from case import Case, Lap

_HUGE = 1 << 30


class _Listener(picows.WSListener):  # type: ignore[misc]
    """Reads each message, and says when the last has come."""

    def __init__(self, case: Case, count: int, answer: Any) -> None:
        super().__init__()
        self._is_binary = case.is_binary
        self._left = count
        self._answer = answer
        self.done = asyncio.Event()

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """Read a message, as a program does that keeps it, and answer in a round trip."""
        if self._is_binary:
            frame.get_payload_as_bytes()
        else:
            frame.get_payload_as_utf8_text()
        self._left -= 1
        if not self._left:
            self.done.set()
        elif self._answer is not None:
            self._answer(transport)


class _Assembler(_Listener):
    """As its base, for messages of several frames of text."""

    def __init__(self, case: Case, count: int, answer: Any) -> None:
        super().__init__(case, count, answer)
        self._pieces: list[bytes] = []

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        """Gather a piece; read the message when it was the last."""
        self._pieces.append(frame.get_payload_as_bytes())
        if frame.fin:
            b"".join(self._pieces).decode()
            self._pieces.clear()
            self._left -= 1
            if not self._left:
                self.done.set()


class Picows:
    """picows.ws_connect."""

    name = "picows"

    def trip(self, case: Case, lap: Lap) -> None:
        """Send the next message in the listener that receives the last one's answer."""
        asyncio.run(self._exchange(case, lap, received=case.times, sent=1, is_trip=True))

    def flood(self, case: Case, lap: Lap) -> None:
        """Receive the messages in the listener."""
        asyncio.run(self._exchange(case, lap, received=case.times, sent=0))

    def sink(self, case: Case, lap: Lap) -> None:
        """Send the messages."""
        asyncio.run(self._exchange(case, lap, received=1, sent=case.times))

    def drop(self, case: Case, lap: Lap) -> None:
        """Connect and cut the connection."""
        asyncio.run(self._drop(case, lap))

    async def _exchange(self, case: Case, lap: Lap, *, received: int, sent: int, is_trip: bool = False) -> None:
        type_ = picows.WSMsgType.BINARY if case.is_binary else picows.WSMsgType.TEXT
        message = case.message

        def send(transport: Any) -> None:
            # It takes str as well, at the same cost.
            transport.send(type_, message.encode() if isinstance(message, str) else message)

        kind = _Assembler if case.kind == "pieces" else _Listener
        transport, listener = await self._open(case, lambda: kind(case, received, send if is_trip else None))
        lap.start()
        if not sent:
            transport.send(picows.WSMsgType.TEXT, b"go")
        for _ in range(sent):
            send(transport)
        await listener.done.wait()
        lap.stop()
        transport.disconnect(False)
        await transport.wait_disconnected()

    async def _open(self, case: Case, make: Any) -> Any:
        options = {} if case.context is None else {"ssl_context": case.context}
        return await picows.ws_connect(make, case.uri, max_frame_size=_HUGE, **options)

    async def _drop(self, case: Case, lap: Lap) -> None:
        lap.start()
        for _ in range(case.times):
            transport, _ = await self._open(case, picows.WSListener)
            transport.disconnect(False)
        lap.stop()
        await transport.wait_disconnected()
