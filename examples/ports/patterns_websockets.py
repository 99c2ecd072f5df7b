import asyncio

from websockets.asyncio.client import connect


async def consumer(websocket):
    async for message in websocket:
        print("consumed", message)


async def producer(websocket):
    for message in ("one", "two", "end"):
        await websocket.send(message)


async def main():
    async with connect("ws://localhost:8765/") as websocket:
        await asyncio.gather(consumer(websocket), producer(websocket))


asyncio.run(main())
