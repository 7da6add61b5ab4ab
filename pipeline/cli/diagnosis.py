"""What `doctor` looks at. Each look is short, changes nothing, and says what to do."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.config.environment import Process

_PACKAGES = (
    "litellm",
    "presidio_analyzer",
    "hyperscan",
    "re2",
    "sqlalchemy",
    "alembic",
    "uvicorn",
    "aiohttp",
    "streamlit",
    "hvac",
    "boto3",
    "cryptography",
    "argon2",
)
_LOW_DISK = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: Literal["ok", "note", "wrong"]
    found: str
    hint: str = ""

    def shown(self) -> dict[str, str]:
        """As a row."""
        return {"subject": self.subject, "state": self.state, "found": self.found, "hint": self.hint}


def examine(process: Process) -> Iterator[Finding]:
    """Everything, in the order in which a person would look."""
    yield Finding("python", "ok" if sys.version_info >= (3, 11) else "wrong", ".".join(map(str, sys.version_info[:3])), "")
    yield from _packages()
    yield from _environment()
    yield from _home(process)
    yield from _document(process)
    yield from _store(process)
    yield from _gateway(process)


def _packages() -> Iterator[Finding]:
    from redactors.detectors.hyper import is_importable

    missing = [name for name in _PACKAGES if find_spec(name) is None or (name == "hyperscan" and not is_importable())]
    if missing == ["hyperscan"]:
        yield Finding(
            "packages", "note", "hyperscan has no build for this machine", "The slower engine finds the same; expect less throughput."
        )
    elif missing:
        yield Finding("packages", "wrong", f"missing: {', '.join(missing)}", "Install Lockgate again from requirements.lock.")
    else:
        yield Finding("packages", "ok", "all there")


def _environment() -> Iterator[Finding]:
    from pipeline.config.environment import env_snapshot, unknown_variables

    unknown = unknown_variables(env_snapshot())
    if unknown:
        yield Finding("environment", "note", f"unknown: {', '.join(unknown)}", "Check the spelling; these variables mean nothing.")
    else:
        yield Finding("environment", "ok", "no unknown LOCKGATE_ variables")


def _home(process: Process) -> Iterator[Finding]:
    home = process.layout
    if not home.path.is_dir():
        yield Finding("data folder", "note", f"{home.path} does not exist yet", "The first start makes it.")
        return
    files = [path for path in (home.pepper_file, home.store_key_file, home.admin_key_file, home.database) if path.exists()]
    wide = [path.name for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if wide:
        yield Finding("data folder", "wrong", f"open to others: {', '.join(wide)}", f"chmod 600 these files in {home.path}")
    else:
        yield Finding("data folder", "ok", str(home.path))
    free = shutil.disk_usage(home.path).free
    low = free < _LOW_DISK
    yield Finding(
        "disk",
        "wrong" if low else "ok",
        f"{free / (1 << 30):.1f} GiB free",
        "The audit needs room: without it nothing is served." if low else "",
    )


def _document(process: Process) -> Iterator[Finding]:
    from pipeline.cli.engine import finder_of
    from pipeline.config.loader import load_with_warnings

    path = process.document_path
    if not path.exists():
        yield Finding(
            "document", "note", f"{path} does not exist", "`lockgate up` needs none; for `serve`, begin with examples/production.yaml."
        )
        return
    try:
        _, warnings = load_with_warnings(path, find_secrets=finder_of(process))
    except PipelineError:
        yield Finding("document", "wrong", f"{path} has errors", "lockgate config validate")
        return
    yield Finding(
        "document", "note" if warnings else "ok", f"{path}: {len(warnings)} warnings", "lockgate config validate" if warnings else ""
    )


def _store(process: Process) -> Iterator[Finding]:
    from sqlalchemy.exc import SQLAlchemyError

    from pipeline.config.environment import database_url
    from pipeline.store.engine import StoreError, sqlite_path
    from pipeline.store.migrate import status

    url = database_url(process)
    path = sqlite_path(url)
    if path is not None and not path.exists():
        yield Finding("store", "note", "no database yet", "The first start makes it.")
        return
    try:
        found = status(url)
    except (StoreError, SQLAlchemyError) as error:
        yield Finding("store", "wrong", f"cannot be read ({type(error).__name__})", "Check LOCKGATE_DATABASE_URL and the server.")
        return
    state: Literal["ok", "note"] = "ok" if found.up_to_date else "note"
    yield Finding(
        "store", state, f"schema {found.current or '(empty)'}", "" if found.up_to_date else "The next start brings it to the newest."
    )


def _gateway(process: Process) -> Iterator[Finding]:
    from pipeline.cli.admin_client import GatewayError
    from pipeline.cli.administration import running_gateway

    try:
        client = running_gateway(process)
        if client is None:
            yield Finding("gateway", "note", "none runs in this data folder", "lockgate up")
            return
        client.list_keys()
    except GatewayError:
        yield Finding("gateway", "wrong", "run.json names one that does not answer", "Stop that process, or start the gateway again.")
    except PipelineError as error:
        yield Finding("gateway", "wrong", error.message, error.hint)
    else:
        yield Finding("gateway", "ok", client.url)
