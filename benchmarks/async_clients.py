"""aiohttp's client among those of clients.py: on asyncio's own event loop, which runs for one measurement.

Without compression and limits. The connection is cut rather than closed, because the server answers no Close frame.
"""

import asyncio
from typing import Any

import aiohttp
from case import Case, Lap


async def _open(session: Any, case: Case) -> Any:
    return await session.ws_connect(case.uri, ssl=case.context or True, compress=0, max_msg_size=0)


def _cut(ws: Any) -> None:
    ws._response.close()


class Aiohttp:
    """aiohttp's ClientSession.ws_connect."""

    name = "aiohttp"

    def trip(self, case: Case, lap: Lap) -> None:
        """Send, receive, and again."""
        asyncio.run(self._exchange(case, lap, is_sending=True, is_receiving=True))

    def flood(self, case: Case, lap: Lap) -> None:
        """Receive the messages."""
        asyncio.run(self._exchange(case, lap, is_sending=False, is_receiving=True))

    def sink(self, case: Case, lap: Lap) -> None:
        """Send the messages."""
        asyncio.run(self._exchange(case, lap, is_sending=True, is_receiving=False))

    def drop(self, case: Case, lap: Lap) -> None:
        """Connect and cut the connection."""
        asyncio.run(self._drop(case, lap))

    async def _exchange(self, case: Case, lap: Lap, *, is_sending: bool, is_receiving: bool) -> None:
        async with aiohttp.ClientSession() as session:
            ws = await _open(session, case)
            message = case.message
            send = ws.send_bytes if case.is_binary else ws.send_str
            receive = ws.receive
            lap.start()
            if not is_sending:
                await ws.send_str("go")
            for _ in range(case.times):
                if is_sending:
                    await send(message)
                if is_receiving:
                    (await receive()).data  # noqa: B018 - what a program looks at
            if not is_receiving:
                await receive()
            lap.stop()
            _cut(ws)

    async def _drop(self, case: Case, lap: Lap) -> None:
        async with aiohttp.ClientSession() as session:
            lap.start()
            for _ in range(case.times):
                _cut(await _open(session, case))
            lap.stop()
