"""An STS on loopback that says what it was asked and for how long its credentials are good, which moto does not.

Answers `AssumeRole` and `AssumeRoleWithWebIdentity` in STS's XML (API reference, version 2011-06-15), or one error code.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl

_ANSWER = """<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>
<AccessKeyId>ASIA{number:016d}</AccessKeyId><SecretAccessKey>made-{number}</SecretAccessKey><SessionToken>session-{number}</SessionToken>
<Expiration>{ends}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:lockgate</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>
</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"""
_ERROR = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>
<Message>as the test wants it</Message></Error><RequestId>r</RequestId></ErrorResponse>"""


class StsServer:
    """Use as a context manager. `asked` are the forms of the requests; with a `code` every one is refused."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.signed: list[bool] = []
        self.lasts_s = 3_600
        self.code = ""
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.sts = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, form: dict[str, str]) -> str:
        self.asked.append(form)
        if self.code:
            return _ERROR.format(code=self.code)
        ends = (datetime.now(UTC) + timedelta(seconds=self.lasts_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return _ANSWER.format(action=form["Action"], number=len(self.asked), ends=ends, arn=form["RoleArn"])


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    sts: StsServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: _Listener

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        sts = self.server.sts
        form = dict(parse_qsl(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()))
        sts.signed.append("Authorization" in self.headers)
        body = sts.answer(form).encode()
        self.send_response(403 if sts.code else 200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
