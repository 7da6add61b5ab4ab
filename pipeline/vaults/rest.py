"""Plain HTTPS for vaults whose vendor has no client fit for a gateway: one JSON answer per request, under one deadline.

Redirects, proxies and `.netrc` of the environment are not followed. What was answered or sent is in no error and no repr.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from pipeline.clock import Clock, parse_rfc3339
from pipeline.errors import ConfigError
from pipeline.vaults import failures
from pipeline.vaults.deadline import mount_deadline
from pipeline.vaults.failures import Failure
from pipeline.vaults.model import SecretRef
from pipeline.vaults.registry import VaultContext

MAX_ANSWER_BYTES: Final = 1 << 20
_PIECE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its status and its JSON (None when it is none)."""

    status: int
    body: Any = field(repr=False)

    def at(self, *path: str) -> Any:
        """What stands at a path of keys; None where there is nothing."""
        found = self.body
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found


class Rest:
    """One address of a vendor's API. Thread-safe."""

    def __init__(self, address: str, *, ca_file: str | None, context: VaultContext, named: str, ca_named: str) -> None:
        """`named` and `ca_named` are the fields of `auth_config` that address and CA come from. ConfigError for what is no URL."""
        import requests

        if not address.startswith(("https://", "http://")):
            raise ConfigError(f"auth_config.{named} must begin with https:// (or http:// on a trusted network).")
        self._address = address.rstrip("/")
        self._named, self._ca_named = named, ca_named
        self._clock: Clock = context.clock
        self._timeout = (context.connect_timeout_s, context.read_timeout_s)
        self._session = mount_deadline(requests.Session(), sum(self._timeout))
        self._session.trust_env = False
        self._session.verify = ca_file or True

    def ask(
        self,
        ref: SecretRef,
        method: str,
        *path: str,
        token: str = "",
        params: Mapping[str, str] | None = None,
        sent: Mapping[str, str] | None = None,
    ) -> Said | Failure:
        """Ask once; segments of `path` are quoted, `sent` goes as JSON. Whatever was answered is `Said`; no answer is a Failure."""
        import requests
        import urllib3

        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = "/".join((self._address, *(quote(segment, safe="") for segment in path)))
        until = self._clock.monotonic() + sum(self._timeout)
        try:
            with self._session.request(
                method, url, params=params, json=sent, headers=headers, timeout=self._timeout, allow_redirects=False, stream=True
            ) as answer:
                raw = bytearray()
                while piece := answer.raw.read1(_PIECE_BYTES, decode_content=True):  # what is there: `read` would wait for a whole piece
                    raw += piece
                    if len(raw) > MAX_ANSWER_BYTES or self._clock.monotonic() > until:
                        return failures.unavailable(ref.slug, "The vault's answer is too long or too slow.")
                return Said(answer.status_code, _parsed(bytes(raw)))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return self._unreachable(ref, error)
        except ValueError:  # what no header may hold, such as a token that is not Latin-1
            return failures.misconfigured(ref.slug, "its vault cannot be asked with this credential", "Check auth_config.")

    def _unreachable(self, ref: SecretRef, error: Exception) -> Failure:
        import requests

        if isinstance(error, requests.exceptions.SSLError):
            return failures.unavailable(
                ref.slug, f"The vault's certificate is not trusted: set {self._ca_named} to its CA, or mend the name in {self._named}."
            )
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema | requests.exceptions.InvalidHeader):
            return failures.misconfigured(ref.slug, f"{self._named} or the credential cannot be sent", "Write https://HOST[:PORT].")
        return failures.unavailable(ref.slug, "The vault cannot be reached from here, or did not answer in time.")


def by_status(ref: SecretRef, status: int, *, missing: str, denied: str) -> Failure:
    """What a refusal means by its status; `missing` and `denied` say what to do about a 404 and a 403."""
    match status:
        case 401:
            return failures.unauthenticated(ref.slug)
        case 403:
            return failures.denied(ref.slug, denied)
        case 404:
            return failures.not_found(ref.slug, missing)
        case 429:
            return failures.throttled(ref.slug)
        case 400 | 422:
            return failures.misconfigured(ref.slug, "its vault does not understand the request", missing)
        case _:
            return failures.unavailable(ref.slug)


def odd(ref: SecretRef, named: str) -> Failure:
    """Say that an answer is not of the vendor's shape; `named` is the field that holds the address."""
    return failures.unavailable(ref.slug, f"The answer is not one that the vault gives; something else may stand at {named}.")


def micros_of(told: object) -> int:
    """A time of an answer (RFC 3339) in epoch microseconds; 0 when it is none."""
    try:
        return parse_rfc3339(told) if isinstance(told, str) else 0
    except ValueError:
        return 0


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
