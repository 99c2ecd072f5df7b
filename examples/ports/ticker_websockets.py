import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def main():
    async for websocket in connect("ws://localhost:8765/"):
        try:
            await websocket.send(json.dumps({"subscribe": "trades"}))
            async for message in websocket:
                trade = json.loads(message)
                print(trade["price"])
                if trade["last"]:
                    await websocket.close()
                    return
        except ConnectionClosed:
            continue


asyncio.run(main())
