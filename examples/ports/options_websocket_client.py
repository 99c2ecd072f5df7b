import websocket

ws = websocket.create_connection(
    "ws://localhost:8765/",
    header={"X-Name": "value"},
    origin="https://example.com",
    cookie="session=1",
    subprotocols=["chat"],
)
print(ws.recv())
ws.close()
