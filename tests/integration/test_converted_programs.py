"""Two programs in PyWinRT's manner, converted by replacing text: the imports, `await ` and the suffix `_async`."""

import re

import pytest
from support import echo, running_server
from support.programs import run

MESSAGES = """
import asyncio
from winrt.windows.foundation import Uri
from winrt.windows.networking.sockets import (
    IWebSocket, MessageWebSocket, MessageWebSocketMessageReceivedEventArgs, SocketMessageType,
    WebSocketClosedEventArgs, WebSocketError,
)
from winrt.windows.storage.streams import DataWriter, UnicodeEncoding
from winrt.windows.web import WebErrorStatus

came = threading.Event()
ended = threading.Event()

def on_message_received(sender: MessageWebSocket, args: MessageWebSocketMessageReceivedEventArgs) -> None:
    with args.get_data_reader() as reader:
        reader.unicode_encoding = UnicodeEncoding.UTF8
        print("received", reader.read_string(reader.unconsumed_buffer_length))
    came.set()

def on_closed(sender: IWebSocket, args: WebSocketClosedEventArgs) -> None:
    print("closed", args.code, args.reason)
    ended.set()

async def main() -> None:
    socket = MessageWebSocket()
    socket.control.message_type = SocketMessageType.UTF8
    message_token = socket.add_message_received(on_message_received)
    closed_token = socket.add_closed(on_closed)
    try:
        await socket.connect_async(Uri(uri))
        with DataWriter(socket.output_stream) as writer:
            writer.write_string("Hello, World!")
            stored = await writer.store_async()
            writer.detach_stream()
        assert came.wait(30)
    except OSError as error:
        print(WebErrorStatus(WebSocketError.get_status(error.winerror)).name)
    socket.close(1000, "done")
    assert ended.wait(30)
    # Not before: two threads that print at once may mix their lines.
    print("stored", stored)

asyncio.run(main())
"""

STREAM = """
import asyncio
from winrt.windows.foundation import Uri
from winrt.windows.networking.sockets import StreamWebSocket
from winrt.windows.storage.streams import (
    Buffer, DataReader, DataWriter, IBuffer, IInputStream, InMemoryRandomAccessStream, InputStreamOptions,
    IOutputStream,
)

async def send(stream: IOutputStream) -> None:
    writer = DataWriter(stream)
    writer.write_bytes(bytes(range(10)))
    await writer.store_async()
    writer.detach_stream()

async def receive(stream: IInputStream) -> IBuffer:
    buffer = Buffer(256)
    return await stream.read_async(buffer, buffer.capacity, InputStreamOptions.PARTIAL)

async def main() -> None:
    socket = StreamWebSocket()
    socket.control.no_delay = False
    await socket.connect_async(Uri(uri))
    await send(socket.output_stream)
    received = await receive(socket.input_stream)
    memory = InMemoryRandomAccessStream()
    await memory.write_async(received)
    reader = DataReader(memory.get_input_stream_at(0))
    await reader.load_async(memory.size)
    print("received", reader.read_bytes(reader.unconsumed_buffer_length).hex())
    reader.close()
    socket.close()

asyncio.run(main())
"""


def converted(program):
    """Do what a person does with an editor."""
    program = re.sub(r"from winrt\.[a-z.]+ import", "from syncws import", program)
    program = program.replace("import asyncio\n", "").replace("asyncio.run(main())", "main()")
    return program.replace("async def", "def").replace("await ", "").replace("_async(", "(")


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        (MESSAGES, ["received Hello, World!", "closed 1000 done", "stored 13"]),
        (STREAM, ["received 00010203040506070809"]),
    ],
    ids=["messages", "stream"],
)
def test_a_converted_program_runs(program, printed):
    with running_server(echo) as uri:
        done = run(converted(program), uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == printed
