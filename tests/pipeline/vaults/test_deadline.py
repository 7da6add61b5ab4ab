"""One deadline over a whole exchange: a server that drips, wherever it does, is cut off; one that answers is not."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.clock import SystemClock
from pipeline.errors import VaultUnavailable
from pipeline.vaults.deadline import mount_deadline
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext, open_vault
from tests.pipeline.vaults.stages import hidden
from tests.servers.certificates import Authority

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n"
DRIPS = {"status": b"", "headers": HEAD, "body": HEAD + b"\r\n"}


class Dripping:
    """Answers with the beginning, and then a byte at a time, for ten seconds at most; `cut` is set when the other side has gone."""

    def __init__(self, begin: bytes | None, tls: ssl.SSLContext | None = None) -> None:
        self.begin, self.tls = begin, tls
        self.cut = threading.Event()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        try:
            connection, _ = self.sock.accept()
        except OSError:
            return
        with connection:
            served = connection
            if self.begin is None:  # in the middle of TLS: the length of a record that never comes
                connection.recv(65_536)
                self.drip(served, b"\x16\x03\x03\x0f\xff" + b"\x02")
                return
            if self.tls is not None:
                served = self.tls.wrap_socket(connection, server_side=True)
            served.recv(65_536)
            self.drip(served, self.begin)

    def drip(self, served: socket.socket, begin: bytes) -> None:
        with suppress(OSError):
            served.sendall(begin)
        for _ in range(200):
            try:
                served.sendall(b"X")
            except OSError:
                self.cut.set()
                return
            time.sleep(0.05)


@contextmanager
def dripping(begin: bytes | None, tls: ssl.SSLContext | None = None) -> Iterator[Dripping]:
    server = Dripping(begin, tls)
    try:
        yield server
    finally:
        server.sock.close()
        server.thread.join(15)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def tls_of(authority: Authority) -> ssl.SSLContext:
    served = authority.sign("server", server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served.cert, served.key)
    return context


@pytest.mark.parametrize("where", DRIPS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_drips_is_cut_off_wherever_it_does(authority: Authority, scheme: str, where: str) -> None:
    with dripping(DRIPS[where], tls_of(authority) if scheme == "https" else None) as server:
        session = mount_deadline(requests.Session(), 0.5)
        with pytest.raises(requests.Timeout):
            session.get(f"{scheme}://127.0.0.1:{server.port}/", timeout=(0.4, 0.4), verify=str(authority.file))
        assert server.cut.wait(9)


def test_a_server_that_drips_its_handshake_is_cut_off(authority: Authority) -> None:
    with dripping(None) as server:
        session = mount_deadline(requests.Session(), 0.5)
        with pytest.raises(requests.Timeout):
            session.get(f"https://127.0.0.1:{server.port}/", timeout=(0.4, 0.4), verify=str(authority.file))
        assert server.cut.wait(9)


def test_a_connection_is_used_again_and_is_not_cut_by_the_deadline_of_the_exchange_before() -> None:
    answers = 0
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            nonlocal answers
            connection, _ = listening.accept()
            with connection:
                while connection.recv(65_536):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    answers += 1

        threading.Thread(target=serve, daemon=True).start()
        session = mount_deadline(requests.Session(), 0.3)
        for pause in (0.0, 0.5, 0.0):
            time.sleep(pause)  # beyond the first exchange's deadline, on the same connection
            assert session.get(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout=2).text == "{}"
        session.close()
    assert answers == 3


CONFIGS: dict[str, dict[str, Any]] = {
    "hashicorp_vault": {"vault_addr": "http://{place}", "vault_auth_type": "token", "vault_token": hidden("t"), "vault_kv_version": "1"},
    "doppler": {"doppler_token": hidden("t"), "doppler_api_host": "http://{place}"},
    "onepassword": {"op_connect_host": "http://{place}", "op_connect_token": hidden("t")},
    "azure_kv": {
        "azure_auth_mode": "entra",
        "azure_vault_url": "https://{place}",
        "azure_authority_host": "https://{place}",
        "azure_entra_tenant_id": "00000000-0000-4000-8000-000000000000",
        "azure_entra_client_id": "00000000-0000-4000-8000-000000000001",
        "azure_entra_client_secret": hidden("s"),
        "azure_ca_cert": "{ca}",
    },
}
PATHS = {"hashicorp_vault": "kv/llm/key", "doppler": "KEY", "onepassword": "vault/item/field", "azure_kv": "key"}


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_adapter_whose_vault_drips_headers_gives_its_thread_back(authority: Authority, kind: str, tmp_path: Path) -> None:
    uses_tls = kind == "azure_kv"
    with dripping(HEAD, tls_of(authority) if uses_tls else None) as server:
        place = {"place": f"127.0.0.1:{server.port}", "ca": str(authority.file)}
        config = {name: value.format(**place) if isinstance(value, str) else value for name, value in CONFIGS[kind].items()}
        context = VaultContext(SystemClock(), file_roots=(tmp_path,), connect_timeout_s=0.4, read_timeout_s=0.4)
        vault = open_vault(kind, config, context)
        with pytest.raises(VaultUnavailable):
            vault.fetch(SecretRef(slug="drips", manager_type=kind, secret_path=PATHS[kind], auth_config=config))
        assert server.cut.wait(9)
