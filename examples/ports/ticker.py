import json

import syncws

with syncws.reconnecting("ws://localhost:8765/") as sockets:
    for socket in sockets:
        try:
            socket.send_json({"subscribe": "trades"})
            for message in socket:
                trade = json.loads(message)
                print(trade["price"])
                if trade["last"]:
                    sockets.close()
        except syncws.ConnectionOverError:
            continue
