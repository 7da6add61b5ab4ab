"""What Vault's answers mean: pure functions over parsed bodies, so that every frame that sees a value returns and none raises.

Shapes: KV version 2 `data.data` and `data.metadata{version, created_time, deletion_time, destroyed}`, KV version 1 `data`,
`sys/internal/ui/mounts/PATH` `data{path, type, options{version}}` (HashiCorp Vault's API documentation).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pipeline.clock import parse_rfc3339
from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.failures import Failure
from pipeline.vaults.model import Fetched, SecretRef

KvVersion = Literal["auto", "1", "2"]


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a KV engine is mounted, without slashes at its ends, and which version it speaks."""

    path: str
    version: Literal["1", "2"]


def as_kv_version(text: str | None) -> KvVersion:
    """Read `vault_kv_version`; ConfigError when it is not auto, 1 or 2."""
    match text or "auto":
        case "auto":
            return "auto"
        case "1":
            return "1"
        case "2":
            return "2"
        case _:
            raise ConfigError("auth_config.vault_kv_version must be auto, 1 or 2.")


def told_mount(answer: object, wanted: KvVersion) -> Mount | None:
    """The mount that Vault names for a path; a configured version goes before the told one. None when the answer is another."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("path"), str):
        return None
    options = data.get("options")
    told = options.get("version") if isinstance(options, dict) else None
    version = told if wanted == "auto" else wanted
    return Mount(data["path"].strip("/"), "2" if version == "2" else "1")


def as_fetched(ref: SecretRef, mount: Mount, body: object) -> Fetched | Failure:
    """Take value, version and time out of an answer: the only field as it is, or all fields as JSON when `secret_key` asks for one."""
    data = body.get("data") if isinstance(body, dict) else None
    metadata = None
    if mount.version == "2" and isinstance(data, dict):
        metadata, data = data.get("metadata"), data.get("data")
    if not isinstance(data, dict):
        return failures.unavailable(ref.slug, "Vault's answer is not one that it gives (a redirecting standby, or no Vault at all).")
    version, created_us = "", 0
    if isinstance(metadata, dict):
        version, created_us = str(metadata.get("version", "")), _created_us(metadata.get("created_time"))
    if ref.secret_key is not None:
        return Fetched(json.dumps(data), version, created_us)
    only = next(iter(data.values())) if len(data) == 1 else None
    if not isinstance(only, str):
        return failures.bad_value(ref.slug, f"it has {len(data)} fields", "Name the field in secret_key.")
    return Fetched(only, version, created_us)


def is_gone(body: object) -> bool:
    """Whether a 404 of KV version 2 carries the metadata of a deleted or destroyed version."""
    data = body.get("data") if isinstance(body, dict) else None
    metadata = data.get("metadata") if isinstance(data, dict) else None
    return isinstance(metadata, dict) and bool(metadata.get("deletion_time") or metadata.get("destroyed"))


def is_plain(path: str) -> bool:
    """Whether a path is segments between single slashes, with nothing that a URL would read otherwise."""
    segments = path.strip("/").split("/")
    return all(segments) and not {".", ".."} & set(segments) and not set("?#\\%") & set(path) and path.isprintable()


def _created_us(told: object) -> int:
    try:
        return parse_rfc3339(told) if isinstance(told, str) else 0
    except ValueError:
        return 0
