"""One deadline over a whole HTTP exchange of `requests`: name, connection, TLS, headers and body together.

The time-outs of `requests` are for each piece: a server that sends a byte every second, of a header say, would hold a vault's thread for
as long as it likes. Here a timer cuts the connection when the time is over, whatever it is waiting for.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import requests


class _Cut:
    """Ends one exchange when its time is over, and none after it: connections are used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False
        self.connection: Any = None
        self.made = False

    def now(self) -> None:
        """Shut the socket, which ends whatever read waits on it."""
        with self._lock:
            if self._over:
                return
            self.made = True
            sock = getattr(self.connection, "sock", None)
            if sock is not None:
                try:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not the TLS socket's own, which a reading thread still uses
                except OSError:
                    return

    def over(self) -> None:
        """The exchange has ended by itself."""
        with self._lock:
            self._over = True


def mount_deadline(session: requests.Session, total_s: float) -> requests.Session:
    """Have a session end each exchange after `total_s` seconds with `requests.Timeout`; of a streamed one, connection and headers."""
    adapter = _adapter(total_s)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _adapter(total_s: float) -> Any:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    running = threading.local()

    def take(connection: Any) -> None:
        cut: _Cut | None = getattr(running, "cut", None)
        if cut is not None:
            cut.connection = connection

    class Plain(HTTPConnection):
        def connect(self) -> None:
            take(self)
            super().connect()

        def request(self, *args: Any, **options: Any) -> None:
            take(self)
            super().request(*args, **options)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            take(self)
            super().connect()

        def request(self, *args: Any, **options: Any) -> None:
            take(self)
            super().request(*args, **options)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    class Deadline(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

        def send(self, request: Any, stream: bool = False, **options: Any) -> Any:  # type: ignore[override] # by keyword, as Session does
            cut = running.cut = _Cut()
            timer = threading.Timer(total_s, cut.now)
            timer.daemon = True
            timer.start()
            try:
                answer = super().send(request, stream=stream, **options)
                if not stream:
                    _ = answer.content  # read here, so that it counts
            except (requests.RequestException, OSError):
                if not cut.made:
                    raise
                late = True
            else:
                late = cut.made and not stream
            finally:
                cut.over()
                timer.cancel()
                timer.join()  # it ends at once; nothing of an exchange is left behind it
                running.cut = None
            if late:
                raise requests.Timeout
            return answer

    return Deadline()
