"""How a typed program uses events and the interfaces. mypy and pyright read it, nothing runs it."""

# pyright: strict, reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# These three, because pyright (1.1.414) gives what stands right of += no expected type, so that a lambda's parameters
# have none there; with add_closed() they have. mypy knows them in both.

from syncws import (
    DataWriter,
    IInputStream,
    IWebSocket,
    MessageWebSocket,
    MessageWebSocketInformation,
    StreamWebSocket,
    StreamWebSocketInformation,
    Uri,
    WebSocketClosedEventArgs,
)


def ended(sender: IWebSocket, args: WebSocketClosedEventArgs) -> None:
    print(args.code)


def opened(sender: MessageWebSocket, information: MessageWebSocketInformation) -> None:
    print(information.protocol)


def stream_opened(sender: StreamWebSocket, information: StreamWebSocketInformation) -> None:
    print(information.protocol)


def use(socket: MessageWebSocket, stream: StreamWebSocket) -> None:
    socket.closed += lambda sender, args: print(args.code)
    socket.closed += ended
    socket.opened += opened
    stream.add_opened(stream_opened)
    socket.add_closed(lambda sender, args: print(args.code.bit_length()))
    socket.message_received += lambda sender, args: print(args.text)
    stream.closed += lambda sender, args: print(args.code)
    socket.server_custom_validation_requested += lambda sender, args: args.reject()
    socket.connect(Uri("ws://h"))
    source: IInputStream = stream.input_stream
    writer = DataWriter(stream.output_stream)
    writer.write_byte(1)
    print(source)
