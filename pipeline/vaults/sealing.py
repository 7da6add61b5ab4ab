"""The sensitive fields of a stored `auth_config`: sealed in the store, `Secret` in memory, masked when shown.

A field that is an inner reference (`{"secret_key_ref": {...}}` or `env:NAME`) is none of these: it names a place and is stored and shown
as it is. A literal is sealed with AES-256-GCM (`local_keys.seal`), bound to the id of its reference and the name of its field.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from pipeline.vaults.auth import CREDENTIALS, SENSITIVE, SHAPES
from pipeline.vaults.local_keys import LocalKeys, RandomBytes, seal, unseal
from pipeline.vaults.model import Secret
from pipeline.vaults.reference import is_reference

SEALED: Final = "sealed"
"""The one key of a stored field that is sealed; its value is [key id, nonce, ciphertext], base64."""

MASK_PREFIX: Final = "masked_"
MASK: Final = "****"
_SHOWN_FROM: Final = 20
"""From so many characters on the last four are shown: what is shorter could be guessed from them."""

_PUBLIC_PREFIXES: Final = ("arn:aws:iam::", "AKIA", "ASIA", "hvs.", "hvb.", "sk-")
"""Beginnings that say what kind of credential it is and nothing of it."""

_BINDING: Final = "reference:{}:{}"
_NOT_ANNOUNCED: Final = frozenset({"aws_role_arn", "aws_external_id"})
"""Masked when shown, as Portkey does, but names: looking for them everywhere would mask what identifies an account."""


def hold_literals(auth_config: Mapping[str, Any], slug: str) -> dict[str, Any]:
    """The `auth_config` with the literals of its sensitive fields as `Secret`, so that nothing shows or compares them by accident."""
    return {
        name: Secret(value, reference=f"{slug}.{name}")
        if name in SENSITIVE and isinstance(value, str) and not is_reference(value)
        else value
        for name, value in auth_config.items()
    }


def sealed_auth(keys: LocalKeys, reference_id: str, auth_config: Mapping[str, Any], random_bytes: RandomBytes) -> dict[str, Any]:
    """The `auth_config` as it is stored: every `Secret` sealed, everything else as it is."""
    stored: dict[str, Any] = {}
    for name, value in auth_config.items():
        if isinstance(value, Secret):
            key_id, nonce, text = seal(keys, _BINDING.format(reference_id, name), 1, value.reveal(), random_bytes)
            stored[name] = {SEALED: [key_id, base64.b64encode(nonce).decode(), base64.b64encode(text).decode()]}
        else:
            stored[name] = value
    return stored


def opened_auth(keys: LocalKeys, reference_id: str, slug: str, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The `auth_config` of a stored one. A field that does not open is left out: the vault then lacks it, and says so when it is asked."""
    opened: dict[str, Any] = {}
    for name, value in stored.items():
        if not (isinstance(value, Mapping) and SEALED in value):
            opened[name] = value
            continue
        key_id, nonce, text = value[SEALED]
        plain = unseal(keys, (key_id, base64.b64decode(nonce), base64.b64decode(text)), _BINDING.format(reference_id, name), 1)
        if plain is not None:
            opened[name] = Secret(plain, reference=f"{slug}.{name}")
    return opened


def literals_of(auth_config: Mapping[str, Any]) -> dict[str, Secret]:
    """The literals of an `auth_config` that must be known to the redaction of live secrets, by field."""
    return {name: value for name, value in auth_config.items() if isinstance(value, Secret) and name not in _NOT_ANNOUNCED}


def shown_auth(auth_config: Mapping[str, Any]) -> dict[str, Any]:
    """The `auth_config` as it is shown: each literal of a sensitive field is replaced by `masked_<field>`."""
    return {
        MASK_PREFIX + name if isinstance(value, Secret) else name: masked(value.reveal()) if isinstance(value, Secret) else value
        for name, value in auth_config.items()
    }


def masked(value: str) -> str:
    """A value as it is shown: at least twenty characters give a public prefix and the last four, fewer nothing."""
    if len(value) < _SHOWN_FROM:
        return MASK
    prefix = next((prefix for prefix in _PUBLIC_PREFIXES if value.startswith(prefix)), "")
    return f"{prefix}{MASK}{value[-4:]}"


def masked_fields(auth_config: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    """The fields that somebody sends back as they were shown: `masked_…`, or a mask as the value of a sensitive field."""
    masks = {masked(value.reveal()) for value in stored.values() if isinstance(value, Secret)} | {MASK}
    return sorted(
        name for name, value in auth_config.items() if name.startswith(MASK_PREFIX) or (name in SENSITIVE and _is_mask(value, masks))
    )


def _is_mask(value: Any, masks: set[str]) -> bool:
    return isinstance(value, str) and (value in masks or MASK in value)


def merged_auth(manager_type: str, stored: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """A stored `auth_config` with what was sent put over it; null takes a field away.

    With another way to authenticate the stored fields that it does not know go, so that a change of mode needs no list of them.
    """
    merged = {name: value for name, value in {**stored, **sent}.items() if value is not None}
    shape = SHAPES.get(manager_type)
    if shape is None or shape.selector not in sent:
        return merged
    mode = shape.modes.get(str(sent[shape.selector]))
    if mode is None:
        return merged
    known = mode.required | mode.optional | {shape.selector}
    return {name: value for name, value in merged.items() if name in known or name in sent}


def static_credentials(auth_config: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that hold a credential for good instead of naming where it is: what a lint warns of."""
    return tuple(sorted(name for name, value in auth_config.items() if name in CREDENTIALS and isinstance(value, Secret)))
