import websocket

ws = websocket.create_connection("ws://localhost:8765/", timeout=5)
print("Sending 'Hello, World!'")
ws.send("Hello, World!")
print("Receiving")
result = ws.recv()
print(f"Received {result!r}")
ws.close()
