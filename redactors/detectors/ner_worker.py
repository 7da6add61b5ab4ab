"""The process that holds the models for named entities: `python -m redactors.detectors.ner_worker`, started by `ModelProcess`.

It talks over the socket that it gets as standard input and over nothing else: other connections are refused, and whatever libraries
print is dropped, because it may quote a text. A frame is four bytes of length (big-endian) and JSON. The first frame is the spec and is
answered by `{"ready": true}`; then lists of texts are answered by `{"found": [[[start, end, entity], …], …]}` in their order, or by
`{"error": the name of an exception's class}`. It ends when the other side goes away.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

LENGTH: Final = struct.Struct(">I")
_WATCH_S: Final = 1.0


def main() -> None:
    """Load what the first frame says, then answer until the other side goes away."""
    channel = _alone()
    try:
        models = _opened(receive(channel))
    except Exception as error:  # noqa: BLE001 - told by its class only: the message of a library may hold a path or a text
        send(channel, {"error": type(error).__name__})
        return
    send(channel, {"ready": True})
    while (texts := receive(channel)) is not None:
        try:
            answer: dict[str, Any] = {"found": models(texts)}
        except Exception as error:  # noqa: BLE001 - as above
            answer = {"error": type(error).__name__}
        send(channel, answer)


def _opened(spec: Any) -> Any:
    from redactors.detectors.ner_spec import NerSpec
    from redactors.detectors.presidio import open_models

    return open_models(NerSpec.of(spec))


def _alone() -> socket.socket:
    """Take the socket away from standard input, and take everything from the process that it does not need."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    channel = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    logging.disable(logging.CRITICAL)
    sys.addaudithook(_refuse_connections)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    return channel


def _refuse_connections(event: str, _: tuple[Any, ...]) -> None:
    """Models are read from disk: a library that wants to fetch something fails here instead."""
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise ConnectionRefusedError("this process opens no connection")


def _end_with(parent: int) -> None:
    """End when the gateway was killed while a model hangs: nobody would ever read the answer."""
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(0)


def receive(channel: socket.socket, left: Callable[[], float] | None = None) -> Any:
    """The next frame, or None when the other side has closed.

    `left` gives the seconds that remain. Raises TimeoutError when none do, and OSError when the connection breaks inside a frame.
    """
    head = _exactly(channel, LENGTH.size, left)
    if head is None:
        return None
    body = _exactly(channel, LENGTH.unpack(head)[0], left)
    if body is None:
        raise ConnectionResetError("the other side went away inside a frame")
    return json.loads(body)


def send(channel: socket.socket, value: Any) -> None:
    """Send one frame. Lone surrogates travel as JSON escapes."""
    body = json.dumps(value, separators=(",", ":")).encode()
    channel.sendall(LENGTH.pack(len(body)) + body)


def _exactly(channel: socket.socket, size: int, left: Callable[[], float] | None) -> bytes | None:
    """So many bytes, or None when there is not one."""
    data = bytearray()
    while len(data) < size:
        if left is not None:
            channel.settimeout(max(left(), 0.001))
        piece = channel.recv(min(1 << 20, size - len(data)))
        if not piece:
            if data:
                raise ConnectionResetError("the other side went away inside a frame")
            return None
        data += piece
    return bytes(data)


if __name__ == "__main__":
    main()
