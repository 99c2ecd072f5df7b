import json

import websocket


def on_open(ws):
    ws.send(json.dumps({"subscribe": "trades"}))


def on_message(ws, message):
    trade = json.loads(message)
    print(trade["price"])
    if trade["last"]:
        ws.close()


ticker = websocket.WebSocketApp("ws://localhost:8765/", on_open=on_open, on_message=on_message)
ticker.run_forever(reconnect=1)
