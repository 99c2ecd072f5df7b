import websocket


def on_message(ws, message):
    print(message)
    if message == "bye":
        ws.close()


def on_error(ws, error):
    print("error")


def on_close(ws, code, reason):
    print("closed")


def on_open(ws):
    print("opened")


app = websocket.WebSocketApp(
    "ws://localhost:8765/", on_open=on_open, on_message=on_message, on_error=on_error, on_close=on_close
)
app.run_forever(reconnect=1)
