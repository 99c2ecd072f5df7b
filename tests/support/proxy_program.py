"""Runs one real proxy of a package from PyPI on loopback: prints its port, and ends with its standard input.

    python tests/support/proxy_program.py http [LOGIN] [CERTIFICATE KEY]     proxy.py
    python tests/support/proxy_program.py socks4 [USER]                      Twisted, which speaks 4a too
    python tests/support/proxy_program.py socks5 [LOGIN]                     pproxy

LOGIN is name:password, "" for none.
"""

import asyncio
import sys


def run_http(login="", certificate="", key=""):
    from proxy import Proxy

    options = [
        "--hostname",
        "127.0.0.1",
        "--port",
        "0",
        "--num-acceptors",
        "1",
        "--num-workers",
        "1",
        "--threaded",
        "--log-level",
        "CRITICAL",
    ]
    if login:
        options += ["--basic-auth", login]
    if certificate:
        options += ["--cert-file", certificate, "--key-file", key]
    with Proxy(options) as running:
        tell(running.flags.port)
        sys.stdin.read()


def run_socks4(user=""):
    from twisted.internet import reactor
    from twisted.protocols.socks import SOCKSv4, SOCKSv4Factory

    class Checking(SOCKSv4):
        def authorize(self, code, server, port, name):
            return name.decode() == user

    factory = SOCKSv4Factory(None)
    factory.protocol = Checking
    factory.buildProtocol = lambda address: Checking()
    listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
    reactor.callWhenRunning(tell, listening.getHost().port)
    reactor.callInThread(lambda: (sys.stdin.read(), reactor.callFromThread(reactor.stop)))
    reactor.run()


def run_socks5(login=""):
    import pproxy

    async def serve():
        where = f"socks5://127.0.0.1:0/{'#' if login else ''}{login}"
        options = {"rserver": [], "verbose": lambda text: None, "authtime": 0}
        server = await pproxy.Server(where).start_server(options)
        tell(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(sys.stdin.read)
        server.close()

    asyncio.run(serve())


def tell(port):
    print(port, flush=True)


if __name__ == "__main__":
    {"http": run_http, "socks4": run_socks4, "socks5": run_socks5}[sys.argv[1]](*sys.argv[2:])
