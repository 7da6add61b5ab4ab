"""Fetching the keys of an issuer that answers a byte now and then: it may not hold a thread for as long as it likes."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from pipeline.keys import jwks

PIECES = 30


def _drip(server: socket.socket, head: bytes, dripped: bytes) -> None:
    peer, _ = server.accept()
    with peer:
        peer.recv(65_536)
        try:
            peer.sendall(head)
            for at in range(len(dripped)):
                time.sleep(0.05)
                peer.sendall(dripped[at : at + 1])
        except OSError:
            return  # the reader has gone


@pytest.mark.parametrize(
    ("head", "dripped"),
    [
        (b"HTTP/1.1 200 OK\r\nx-slow: ", b"s" * PIECES + b"\r\ncontent-length: 2\r\n\r\n{}"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n", b"{" + b" " * (PIECES - 2) + b"}"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 30\r\n\r\n", b"{" + b" " * (PIECES - 2) + b"}"),
    ],
    ids=["headers", "body", "closing"],
)
def test_an_issuer_that_drips_is_cut_off(head: bytes, dripped: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "TIMEOUT_S", 0.4)  # each piece comes in time, all of them together do not
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_drip, args=(server, head, dripped), daemon=True)
        thread.start()
        with pytest.raises((OSError, jwks.BadKeySet)):
            jwks.fetch_uri(f"http://127.0.0.1:{server.getsockname()[1]}/jwks")
        thread.join(10)
