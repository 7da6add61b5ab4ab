"""AWS on loopback: moto's server for what works, and a small server for what AWS answers when it does not.

moto cannot show denied, throttled or expired as AWS does, so `AwsFaults` answers every request with one error code in
AWS's JSON 1.1 form (`__type`), after a delay if wanted.
"""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.servers.certificates import Authority

REGION = "eu-central-1"
ACCOUNT = "123456789012"
"""moto's own account: what is stored without a role, and what a role of it reads."""


class MotoServer:
    """moto's AWS in a thread of this process. Use as a context manager; `client(service)` is a boto3 client that talks to it."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.url = ""

    def __enter__(self) -> Self:
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def client(self, service: str, key_id: str = "testing", secret: str = "testing") -> Any:
        import boto3
        from botocore.config import Config

        return boto3.session.Session(aws_access_key_id=key_id, aws_secret_access_key=secret, region_name=REGION).client(
            service, endpoint_url=self.url, config=Config(ignore_configured_endpoint_urls=True)
        )


class AwsFaults:
    """Answers every request with the error `code` (and `status`), or with `body` as it is. Use as a context manager."""

    def __init__(self, certificates: Path | None = None) -> None:
        """With a folder for `certificates` it also serves TLS, by a certificate that nobody trusts, at `tls_url`."""
        self.code = "InternalServiceError"
        self.status = 400
        self.body: bytes | None = None
        self.delay_s = 0.0
        self.requests = 0
        self.closing = threading.Event()
        self._http = self._listener()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._listeners = [self._http]
        if certificates is not None:
            pair = Authority(certificates / "aws-ca").sign("aws", server=True)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.cert, pair.key)
            tls = self._listener()
            tls.socket = context.wrap_socket(tls.socket, server_side=True)
            self.tls_url = f"https://127.0.0.1:{tls.server_address[1]}"
            self._listeners.append(tls)
        self._threads = [
            threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True) for each in self._listeners
        ]

    def _listener(self) -> _Listener:
        made = _Listener(("127.0.0.1", 0), _Handler)
        made.faults = self
        return made

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()
        for thread in self._threads:
            thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    faults: AwsFaults

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one segment: two would each wait for the other side (Nagle, delayed ACK), 40 ms a request
    server: _Listener

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        faults = self.server.faults
        faults.requests += 1
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faults.closing.wait(faults.delay_s)
        body = faults.body
        if body is None:
            body = json.dumps({"__type": faults.code, "message": "as the test wants it"}).encode()
        self.send_response(faults.status if faults.body is None else 200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
