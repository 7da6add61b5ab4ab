"""A real keychain: gnome-keyring on a D-Bus session of its own, with an empty, unlocked collection, and nothing of the person's own.

with SecretService(folder) as keychain:
    keychain.environment      # what a process needs to find it
    keychain.lock()           # as when its owner goes away
    keychain.stop()           # as on a machine without one
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""A bus that starts no service by itself: nobody is asked for a password on a screen that is not there."""


def missing() -> list[str]:
    """The programs that are not installed here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class SecretService:
    """The two processes. `folder` takes their files; its path must be short, because it holds a socket."""

    def __init__(self, folder: Path, password: str = "opens-nothing-else") -> None:
        self._folder = folder
        self._password = password
        self._running: list[subprocess.Popen[bytes]] = []
        self.environment: dict[str, str] = {}

    def __enter__(self) -> SecretService:
        for name in ("data", "run"):
            (self._folder / name).mkdir(mode=0o700, parents=True)
        socket = self._folder / "bus"
        config = self._folder / "bus.conf"
        config.write_text(_BUS.format(socket=socket))
        self.environment = {
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}",
            "XDG_DATA_HOME": str(self._folder / "data"),
            "XDG_RUNTIME_DIR": str(self._folder / "run"),
            "HOME": str(self._folder),
        }
        try:
            bus = self._start("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile", "--print-address=1")
            assert bus.stdout is not None
            bus.stdout.readline()  # its address: it listens
            daemon = self._start("gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock")
            assert daemon.stdin is not None
            daemon.stdin.write(self._password.encode())
            daemon.stdin.close()
            assert daemon.stdout is not None
            daemon.stdout.readline()  # it has its name on the bus
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {**{name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}, **self.environment}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        self._running.append(process)
        return process

    def stop(self) -> None:
        """End both, the keychain first."""
        while self._running:
            process = self._running.pop()
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=5)
            for stream in (process.stdin, process.stdout):
                if stream is not None and not stream.closed:
                    stream.close()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
