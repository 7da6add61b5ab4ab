"""Talks to the admin API of the gateway that runs in this data folder, with the admin key of that folder."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from pipeline.errors import BadRequest, KeyOutOfScope, KeyRejected, PipelineError

TIMEOUT_S: Final = 30.0
_CHUNK: Final = 64 * 1024


class GatewayError(PipelineError):
    """The running gateway cannot be reached or failed."""

    code, status, type = "gateway_unavailable", 503, "server_error"


class AdminClient:
    """The admin API as functions. Answers are its JSON."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self._key = key
        self._timeout_s = timeout_s

    def create_key(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key; `key` of the answer is its token."""
        return self._call("POST", "/v1/keys", body)

    def change_key(self, key_id: str, action: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`block`, `unblock`, `revoke` or `rotate` a key."""
        return self._call("POST", f"/v1/keys/{quote(key_id, safe='')}/{action}", body or {})

    def update_key(self, key_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change what may be changed of a key."""
        return self._call("PATCH", f"/v1/keys/{quote(key_id, safe='')}", body)

    def list_keys(self, workspace: str = "") -> dict[str, Any]:
        """The keys, of one workspace or all."""
        return self._call("GET", "/v1/keys" + _query({"workspace": workspace}))

    def show_key(self, key_id: str) -> dict[str, Any]:
        """One key."""
        return self._call("GET", f"/v1/keys/{quote(key_id, safe='')}")

    def create_child(self, parent: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a child of a key; `key` of the answer is its token."""
        return self._call("POST", f"/v1/keys/{quote(parent, safe='')}/children", body)

    def list_children(self, parent: str) -> dict[str, Any]:
        """The children of a key."""
        return self._call("GET", f"/v1/keys/{quote(parent, safe='')}/children")

    def list_approvals(self, state: str = "") -> dict[str, Any]:
        """The newest approvals, of one state or all."""
        return self._call("GET", "/v1/approvals" + _query({"state": state}))

    def decide_approval(self, approval_id: str, verb: str) -> dict[str, Any]:
        """`approve` or `deny` a call that waits."""
        return self._call("POST", f"/v1/approvals/{quote(approval_id, safe='')}/{verb}", {})

    def create_workspace(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a workspace."""
        return self._call("POST", "/v1/workspaces", body)

    def create_budget(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a budget."""
        return self._call("POST", "/v1/budgets", body)

    def update_budget(self, budget_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change a budget."""
        return self._call("PUT", f"/v1/budgets/{quote(budget_id, safe='')}", body)

    def delete_budget(self, budget_id: str) -> dict[str, Any]:
        """Take a budget away."""
        return self._call("DELETE", f"/v1/budgets/{quote(budget_id, safe='')}")

    def create_user(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a dashboard user."""
        return self._call("POST", "/v1/users", body)

    def delete_user(self, name: str) -> None:
        """Remove a dashboard user."""
        self._call("DELETE", f"/v1/users/{quote(name, safe='')}")

    def list_users(self) -> dict[str, Any]:
        """The dashboard users."""
        return self._call("GET", "/v1/users")

    def store_secret(self, name: str, value: str) -> dict[str, Any]:
        """Write a value into the local store."""
        return self._call("POST", f"/v1/secrets/{quote(name, safe='')}", {"value": value})

    def list_secrets(self) -> dict[str, Any]:
        """What is in the local store, by name."""
        return self._call("GET", "/v1/secrets")

    def references(self) -> dict[str, Any]:
        """How every reference stands, read from its vault now."""
        return self._call("GET", "/v1/secret-references/status")

    def create_reference(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a reference."""
        return self._call("POST", "/v1/secret-references", body)

    def show_reference(self, slug: str) -> dict[str, Any]:
        """One reference, masked."""
        return self._call("GET", f"/v1/secret-references/{quote(slug, safe='')}")

    def update_reference(self, slug: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change fields of a reference."""
        return self._call("PUT", f"/v1/secret-references/{quote(slug, safe='')}", body)

    def delete_reference(self, slug: str) -> dict[str, Any]:
        """Take a reference away."""
        return self._call("DELETE", f"/v1/secret-references/{quote(slug, safe='')}")

    def reference(self, slug: str, action: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """`verify` or `refresh` a reference."""
        return self._call("POST", f"/v1/secret-references/{quote(slug, safe='')}/{action}", body or {})

    def export(self, filters: Mapping[str, str], form: str) -> Iterator[bytes]:
        """The audit events of a filter in a format, in pieces, newest first; `bundle`: the evidence bundle of a period."""
        connection, answer = self._open("GET", "/v1/audit/export" + _query({**filters, "format": form}), None)
        try:
            while piece := answer.read(_CHUNK):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self.url, error) from None
        finally:
            connection.close()

    def prove(self, event_id: str) -> dict[str, Any]:
        """The proof that an event was written down."""
        return self._call("GET", f"/v1/audit/events/{quote(event_id, safe='')}/proof")

    def hash_value(self, value: str) -> dict[str, Any]:
        """The keyed hashes of a value, and where they stand in the record."""
        return self._call("POST", "/v1/audit/hash", {"value": value})

    def show_letter(self, ident: int) -> dict[str, Any]:
        """One dead letter with its content."""
        return self._call("GET", f"/v1/outbox/dead-letters/{ident}")

    def replay_letters(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send dead letters again."""
        return self._call("POST", "/v1/outbox/replay", body)

    def drop_letters(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Give up dead letters, or what waits."""
        return self._call("POST", "/v1/outbox/drop", body)

    def adjust_charges(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make charges cost what the body says."""
        return self._call("POST", "/v1/spend/adjust", body)

    def list_contents(self, filters: Mapping[str, str]) -> dict[str, Any]:
        """Stored content, newest first, without what was said."""
        return self._call("GET", "/v1/contents" + _query(filters))

    def show_content(self, reference: str) -> dict[str, Any]:
        """What a call said, as it was stored."""
        return self._call("GET", f"/v1/contents/{quote(reference, safe='')}")

    def delete_contents(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Remove stored content before its time."""
        return self._call("POST", "/v1/contents/delete", body)

    def reload(self) -> dict[str, Any]:
        """Have the gateway read its document again."""
        return self._call("POST", "/v1/config/reload", {})

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        connection, answer = self._open(method, path, body)
        try:
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self.url, error) from None
        finally:
            connection.close()
        if not raw:
            return {}
        tree = _parsed(raw)
        if not isinstance(tree, dict):
            raise GatewayError("The gateway's answer is not a JSON object.", hint="Is another program at that address?")
        return tree

    def _open(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._connection()
        sent = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._key}", "accept": "application/json"}
        if sent is not None:
            headers["content-type"] = "application/json"
        try:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            if answer.status < 400:
                return connection, answer
            raw = answer.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _unreachable(self.url, error) from None
        connection.close()
        raise _refusal(answer.status, raw)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        host = parts.hostname or "127.0.0.1"
        if parts.scheme == "https":
            # Loopback to our own process: the certificate names the public host, so only the encryption is wanted here.
            context = ssl._create_unverified_context() if host in ("127.0.0.1", "::1", "localhost") else ssl.create_default_context()  # noqa: S323
            return http.client.HTTPSConnection(host, parts.port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(host, parts.port, timeout=self._timeout_s)


def _query(params: Mapping[str, str]) -> str:
    given = {name: value for name, value in params.items() if value}
    return f"?{urlencode(given)}" if given else ""


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _unreachable(url: str, error: Exception) -> GatewayError:
    return GatewayError(
        f"The gateway at {url} does not answer ({type(error).__name__}).",
        hint="See whether it still runs: `lockgate doctor`, or start it again.",
    )


def _refusal(status: int, raw: bytes) -> PipelineError:
    """The gateway's own error, told again here."""
    tree = _parsed(raw)
    error = tree.get("error") if isinstance(tree, dict) else None
    found = error if isinstance(error, dict) else {}
    message = str(found.get("message") or f"The gateway answered {status}.")
    code, param = str(found.get("code") or "") or None, found.get("param")
    if status == 401:
        return KeyRejected(message, hint="The key in admin.key is not valid here; restart the gateway with this data folder.", code=code)
    if status == 403:
        return KeyOutOfScope(message, code=code)
    if status < 500 and status != 429:
        return BadRequest(message, code=code, status=status, param=str(param) if param else None)
    return GatewayError(message, code=code, status=status)
