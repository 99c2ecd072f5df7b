import threading

from syncws import connect


def consumer(websocket):
    for message in websocket:
        print("consumed", message)


def producer(websocket):
    for message in ("one", "two", "end"):
        websocket.send(message)


with connect("ws://localhost:8765/") as websocket:
    sender = threading.Thread(target=producer, args=(websocket,))
    sender.start()
    consumer(websocket)
    sender.join()
