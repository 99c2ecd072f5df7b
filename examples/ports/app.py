import syncws


def on_message(ws, args):
    print(args.text)
    if args.text == "bye":
        ws.close()


app = syncws.ReconnectingWebSocket("ws://localhost:8765/")
app.connected += lambda ws, args: print("opened")
app.message_received += on_message
app.reconnecting += lambda ws, args: print("error")
app.disconnected += lambda ws, args: print("closed")
with app:
    app.wait_closed()
