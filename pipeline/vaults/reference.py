"""The written forms of a reference, and how each becomes a `SecretRef`.

In YAML and JSON `secret_key_ref: {env: NAME | file: PATH | store: NAME | keychain: NAME | ref: SLUG}`; where only a string
fits `env:NAME`, `file:PATH`, `store:NAME`, `keychain:NAME`, `ref:SLUG`. A mapping may also carry `secret_key`, the field of
a JSON secret. References made in place get the slug `env:NAME` …: the colon keeps them apart from declared slugs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from pipeline.errors import ConfigError
from pipeline.vaults.model import Secret, SecretRef

KINDS: Final[Mapping[str, str]] = {"env": "env", "file": "file", "store": "local", "keychain": "keychain"}
"""The word in a form and the manager type that it means."""

FORMS: Final = "secret_key_ref: {env: NAME | file: PATH | store: NAME | keychain: NAME | ref: SLUG}, or as a string env:NAME, file:PATH, …"

_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "env": re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}"),
    "file": re.compile(r"[^\0\r\n]{1,1024}"),
    "store": re.compile(r"[A-Za-z0-9_.-]{1,255}"),
    "keychain": re.compile(r"[^\0\r\n]{1,255}"),
    "ref": re.compile(r"[A-Za-z0-9_-]{1,255}"),
}
_MAX_SLUG: Final = 255
ABSENT: Final = ""
"""The manager type of what stands for a reference that does not exist. No document and no request can write it."""
REFUSED: Final = "(refused)"
"""The manager type of what stands for a reference that the document does not admit (any more). No document and no request can write it."""


def is_reference(form: object) -> bool:
    """Whether something is written as a reference (rightly or not), and so is not a plain value."""
    if isinstance(form, Mapping):
        return "secret_key_ref" in form
    return isinstance(form, str) and form.partition(":")[0] in _SHAPES and ":" in form


def slug_of(form: object, *, where: str = "secret_key_ref") -> str | None:
    """The slug that a form `ref: SLUG` names; None for the other kinds. ConfigError when it is no reference."""
    kind, name, _ = _taken_apart(form, where)
    return name if kind == "ref" else None


def named_place(form: object) -> tuple[str, str]:
    """What a form names: the kind and the name of the place. ConfigError when it is no reference."""
    kind, name, _ = _taken_apart(form, "secret_key_ref")
    return kind, name


def named_slugs(auth_config: Mapping[str, Any]) -> frozenset[str]:
    """The slugs that the inner references of an `auth_config` name."""
    return frozenset(slug for value in auth_config.values() if is_reference(value) and (slug := slug_of(value)) is not None)


def absent_reference(slug: str) -> SecretRef:
    """What stands for a slug that no reference has (yet): nobody may use it, and preflight says that it does not exist."""
    return SecretRef(slug=slug, manager_type=ABSENT, secret_path=slug, allow_all_workspaces=False)


def parse_reference(form: object, references: Mapping[str, SecretRef] | None = None, *, where: str = "secret_key_ref") -> SecretRef:
    """Read a reference in any of its forms. `references` are the declared ones by slug, `where` names the place for the error.

    Raises ConfigError for anything else, above all for a literal credential, which the error never quotes.
    """
    kind, name, secret_key = _taken_apart(form, where)
    if not _SHAPES[kind].fullmatch(name):
        raise ConfigError(f"{where}: what stands after {kind!r} is not a valid name.", hint=_hint(kind))
    if kind == "ref":
        declared = (references or {}).get(name)
        if declared is None:
            raise ConfigError(f"{where}: there is no reference with the slug {name!r}.", hint="Declare it under `references`.")
        return declared if secret_key is None else replace(declared, secret_key=secret_key)
    slug = f"{kind}:{name}"
    if len(slug) > _MAX_SLUG:
        slug = f"{kind}:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return SecretRef(slug=slug, manager_type=KINDS[kind], secret_path=name, secret_key=secret_key)


def _taken_apart(form: object, where: str) -> tuple[str, str, str | None]:
    if isinstance(form, Mapping):
        inner = form.get("secret_key_ref", form)
        if isinstance(inner, str):
            return _taken_apart(inner, where)
        if isinstance(inner, Mapping):
            kinds = [kind for kind in inner if kind != "secret_key"]
            secret_key = inner.get("secret_key")
            named = len(kinds) == 1 and kinds[0] in _SHAPES and isinstance(inner[kinds[0]], str)
            if named and (secret_key is None or isinstance(secret_key, str)):
                return kinds[0], inner[kinds[0]], secret_key or None
        raise ConfigError(
            f"{where}: this is not a reference: exactly one of env, file, store, keychain, ref is wanted.", hint=f"Write {FORMS}."
        )
    if isinstance(form, str):
        kind, colon, name = form.partition(":")
        if colon and kind in _SHAPES:
            return kind, name.strip(), None
    raise ConfigError(
        f"{where}: a literal value stands where only a reference may stand.",
        hint=f"Move the value into a vault (`lockgate secrets add NAME --store`) and write {FORMS}.",
    )


def _hint(kind: str) -> str:
    if kind == "env":
        return "Write the name of an environment variable (letters, digits, underscores), not its value."
    return f"Write {FORMS}."


def revision_of(ref: SecretRef) -> str:
    """Name the content of a reference, so that any edit changes it: 16 hex characters of SHA-256 over its fields.

    A secret in `auth_config` enters by its fingerprint.
    """
    content = {field.name: getattr(ref, field.name) for field in fields(ref) if field.name != "revision"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()[:16]


def with_revision(ref: SecretRef) -> SecretRef:
    """The reference with its revision taken from its content."""
    return replace(ref, revision=revision_of(ref))


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return [value.reference, value.version, value.fingerprint]
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError("auth_config holds something that is neither text, number nor mapping")
