"""The whole of `lockgate up` as a person starts it: a process with a home of its own, read through what it prints.

Also the look at a running process from outside: its children, its sockets, its environment, and, where `strace` is installed,
every connection that it or its children tried to open.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.engines import python_path
from tests.walks.rig import START_S, Answer

PRINTED_LAST = "Stop with Ctrl-C."


@dataclass
class Up:
    """A running `lockgate up` and what it printed."""

    home: Path
    environment: Mapping[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)
    out: Path
    err: Path

    @property
    def printed(self) -> str:
        """What stands on its standard output."""
        return self.out.read_text()

    @property
    def addresses(self) -> list[str]:
        """Every address in the order in which they were printed."""
        return re.findall(r"https?://[^\s\"',]+", self.printed)

    @property
    def url(self) -> str:
        """The gateway, without `/v1`."""
        return self.addresses[0].removesuffix("/v1")

    @property
    def key(self) -> str:
        """The printed virtual key."""
        return re.findall(r"lgk_\w+", self.printed)[0]

    @property
    def link(self) -> str:
        """The printed one-time link of the dashboard."""
        return next(address for address in self.addresses if "/login?token=" in address)

    @property
    def dashboard(self) -> str:
        """The dashboard's address."""
        return self.link.partition("/login")[0]

    @property
    def curl(self) -> str:
        """The printed command, as it can be pasted."""
        found = re.search(r"^ *curl (?:.*\\\n)*.*$", self.printed, re.MULTILINE)
        assert found is not None
        return found.group().strip()

    @property
    def admin_key(self) -> str:
        """The admin key of its home."""
        return (self.home / "admin.key").read_text().strip()

    @property
    def run(self) -> dict[str, Any]:
        """`run.json`."""
        found: dict[str, Any] = json.loads((self.home / "run.json").read_text())
        return found

    @property
    def pid(self) -> int:
        """The gateway's process."""
        return int(self.run["pid"])

    def call(self, path: str, body: Any = None, *, key: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request to the gateway (POST when there is a body); any status is an answer."""
        sent = {"content-type": "application/json", "authorization": f"Bearer {key or self.key}", **(headers or {})}
        return fetch(self.url + path, body, sent)

    def chat(self, content: str, *, key: str | None = None, **more: Any) -> Answer:
        """One call of the demo model."""
        return self.call("/v1/chat/completions", {"model": "demo", "messages": [{"role": "user", "content": content}], **more}, key=key)

    def cli(self, *arguments: str, given: bytes | None = None, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run the command line in this home."""
        return run_cli(self.environment, *arguments, given=given, check=check, cwd=self.home.parent)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and wait; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=30)

    def written(self) -> dict[str, bytes]:
        """Every file of its home but the three that hold keys by design, and what it printed on standard error."""
        files = [
            path for path in sorted(self.home.rglob("*")) if path.is_file() and path.name not in ("admin.key", "pepper.json", "store.key")
        ]
        return {**{path.relative_to(self.home).as_posix(): path.read_bytes() for path in files}, "stderr": self.err.read_bytes()}


def fetch(url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One HTTP request without following redirects."""
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(urllib.request.Request(url, data=raw, headers=dict(headers or {})), timeout=30) as response:
            return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def run_cli(
    environment: Mapping[str, str], *arguments: str, given: bytes | None = None, check: bool = True, cwd: Path
) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end."""
    command = [sys.executable, "-m", "pipeline.cli.main", *arguments]
    stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
    done = subprocess.run(command, capture_output=True, cwd=cwd, env=dict(environment), check=False, timeout=60, **stdin)
    if check:
        assert done.returncode == 0, (arguments, done.returncode, done.stdout[-800:], done.stderr[-800:])
    return done


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a person with nothing set up: a home directory of its own, free ports, its data in `folder/home`."""
    passed = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    person, temporary = folder / "person", folder / "tmp"
    person.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(exist_ok=True)
    return {
        **passed,
        "HOME": str(person),
        "TMPDIR": str(temporary),
        "PYTHONPATH": python_path(),
        "LOCKGATE_HOME": str(folder / "home"),
        "LOCKGATE_PORT": str(free_port()),
        "LOCKGATE_DASHBOARD_PORT": str(free_port()),
        **more,
    }


def start(environment: Mapping[str, str], *, command: str = "up", trace: Path | None = None, **how: Any) -> Up:
    """Start it and wait until it has said everything. `how` goes to the process (a terminal for its input and output)."""
    folder = Path(environment["TMPDIR"]).parent
    number = len(list(folder.glob("*.out")))
    out, err = folder / f"{number}.out", folder / f"{number}.err"
    tracer = [] if trace is None else ["strace", "-D", "-f", "-qq", "-o", str(trace), "-e", "trace=connect"]
    arguments = [*tracer, sys.executable, "-m", "pipeline.cli.main", command]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": stderr, **how}
        process = subprocess.Popen(arguments, env=dict(environment), cwd=folder, **given)
    return Up(Path(environment["LOCKGATE_HOME"]), environment, process, out, err)


def wait_until_up(up: Up) -> None:
    """Wait until it has printed everything."""
    deadline = time.monotonic() + START_S
    while PRINTED_LAST not in up.printed:
        assert up.process.poll() is None, f"it ended with {up.process.returncode}: {up.err.read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"it did not start: {up.printed[-1000:]} {up.err.read_text()[-3000:]}"
        time.sleep(0.05)


@contextlib.contextmanager
def running_up(folder: Path, *, trace: Path | None = None, **environment: str) -> Iterator[Up]:
    """A running `lockgate up`, stopped at the end."""
    up = start(environment_of(folder, **environment), trace=trace)
    with ending(up):
        wait_until_up(up)
        yield up


@contextlib.contextmanager
def ending(up: Up) -> Iterator[Up]:
    """See that nothing stays behind, however the test ends."""
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.process.terminate()
            try:
                up.process.wait(15)
            except subprocess.TimeoutExpired:
                up.process.kill()
                up.process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server could bind a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def environment_in(pid: int) -> bytes:
    """The environment with which a process was started."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def command_of(pid: int) -> bytes:
    """The arguments of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


Address = tuple[str, int]


def sockets_of(pid: int) -> list[tuple[Address, Address, bool]]:
    """The internet sockets that a process holds: (own address, other address, whether it listens)."""
    inodes = set()
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(os.readlink(descriptor))
    found = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if f"socket:[{words[9]}]" in inodes:
                    found.append((_address(words[1]), _address(words[2]), words[3] == "0A"))
    return found


def _address(text: str) -> Address:
    """An address of /proc/net/tcp: each group of four bytes in the machine's order, then the port."""
    digits, _, port = text.partition(":")
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)


def is_local(address: str) -> bool:
    """Whether an address is loopback, or none (a socket that is not connected)."""
    parsed = ipaddress.ip_address(address)
    return parsed.is_loopback or parsed.is_unspecified


class SocketWatch:
    """Looks at the sockets of some processes all the while; `foreign` are the addresses off loopback that were seen."""

    def __init__(self, pids: list[int]) -> None:
        self.foreign: set[Address] = set()
        self.looks = 0
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> SocketWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self.looks += 1
            for pid in self._pids:
                self.foreign.update(other for _, other, _ in sockets_of(pid) if not is_local(other[0]))


@cache
def can_trace() -> bool:
    """Whether `strace` is installed and may be used here."""
    if shutil.which("strace") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        trial = ["strace", "-D", "-f", "-qq", "-o", f"{folder}/trace", "-e", "trace=connect", "true"]
        return subprocess.run(trial, capture_output=True, check=False, timeout=10).returncode == 0


def connected_to(trace: Path) -> list[str]:
    """The internet addresses of every `connect` that `strace` wrote down, in order."""
    return re.findall(r'connect\(\d+, \{sa_family=AF_INET6?,.*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"', trace.read_text())
