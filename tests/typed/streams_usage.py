"""How a typed program uses streams as files. mypy and pyright read it, nothing runs it."""

# pyright: strict

import io
import json
import shutil
import tarfile
from typing import Any, BinaryIO

from syncws import StreamWebSocket


def lines(socket: StreamWebSocket) -> list[str]:
    with io.TextIOWrapper(socket.input_stream.as_file(), encoding="utf-8") as text:
        return [line.rstrip() for line in text]


def answer(socket: StreamWebSocket, line: str) -> None:
    with io.TextIOWrapper(io.BufferedWriter(socket.output_stream.as_file()), encoding="utf-8") as text:
        print(line, file=text)


def document(socket: StreamWebSocket) -> Any:
    return json.load(socket.input_stream.as_file())


def copy(socket: StreamWebSocket, source: BinaryIO, target: BinaryIO) -> None:
    shutil.copyfileobj(source, socket.output_stream.as_file())
    shutil.copyfileobj(socket.input_stream.as_file(), target)


def unpack(socket: StreamWebSocket, folder: str) -> None:
    with tarfile.open(fileobj=socket.input_stream.as_file(), mode="r|*") as archive:
        archive.extractall(folder, filter="data")
