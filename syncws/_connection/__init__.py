"""Locks and threads: the outbox, the inbox, the reader and the session that holds them together.

Nothing in this room opens a socket. It may import the public value modules, wire/ and net/.

| lock, in order of taking | guards | never held while |
|---|---|---|
| writer role (outbox) | the order of frames on the wire; held by whoever sends | user code runs |
| state lock (session) | protocol object and session state; CPU work only | a socket call, a wait, a callback |
| pings' lock (pings) | the order of pings | a socket call, a wait |
| monitor's lock (monitor) | the timers, and that there is one thread | a timer runs |
| inbox lock | the queue of messages for receive() | a socket call or a callback |
| tls lock (net.tls) | the TLS engine, one call at a time | a socket call |
| descriptor lock (net.transport, net.readiness) | abort and wake against close | anything that can wait |
"""
