import syncws

ws = syncws.connect("ws://localhost:8765/", timeout=5)
print("Sending 'Hello, World!'")
ws.send("Hello, World!")
print("Receiving")
result = ws.receive()
print(f"Received {result!r}")
ws.close()
