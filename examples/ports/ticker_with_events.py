import json

import syncws


def on_message(socket, args):
    trade = json.loads(args.text)
    print(trade["price"])
    if trade["last"]:
        socket.close()


ticker = syncws.ReconnectingWebSocket("ws://localhost:8765/")
ticker.connected += lambda socket, args: socket.send('{"subscribe": "trades"}')
ticker.message_received += on_message
with ticker:
    ticker.wait_closed()
