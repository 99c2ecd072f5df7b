import syncws

ws = syncws.connect(
    "ws://localhost:8765/",
    headers={"X-Name": "value", "Origin": "https://example.com"},
    cookies={"session": "1"},
    subprotocols=["chat"],
)
print(ws.receive())
ws.close()
