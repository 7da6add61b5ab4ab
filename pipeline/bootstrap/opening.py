"""Step 7 of a request: a target's secret, resolved in the name of the asker, and read again when the provider refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.bootstrap.compile import References
from pipeline.errors import SecretError
from pipeline.routing.attempts import OpenKey
from pipeline.routing.mapping import SETTINGS, composed
from pipeline.routing.model import Target
from pipeline.vaults.model import Asker, Secret, SecretRef
from pipeline.vaults.resolver import Resolver

Forget = Callable[[str], None]
"""Drops the provider clients that hold a key which was refused."""


def key_opener(resolver: Resolver, references: Callable[[], References], forget: Forget) -> Callable[[Asker], OpenKey]:
    """Make what opens a target's key for an asker."""

    def for_asker(asker: Asker) -> OpenKey:
        async def open_key(target: Target, rejected: Secret | None) -> Secret | None:
            fields = references().parts.get(target.id)
            if fields is not None:
                return await _composed(resolver, asker, fields, rejected, forget)
            ref = references().by_target.get(target.id)
            if ref is None:
                return None
            if rejected is None:
                return resolver.cached(ref, asker) or await resolver.resolve(ref, asker)
            fresh = await resolver.refresh(ref, rejected, asker)
            if fresh is None:
                raise _refused()
            forget(rejected.reveal())
            return fresh

        return open_key

    return for_asker


async def _composed(resolver: Resolver, asker: Asker, fields: Mapping[str, SecretRef], rejected: Secret | None, forget: Forget) -> Secret:
    """A key of several parts: all resolved for the asker; after a refusal its secrets are read again, and one at least must be new."""
    found = {name: resolver.cached(ref, asker) or await resolver.resolve(ref, asker) for name, ref in fields.items()}
    if rejected is None:
        return composed(found)
    renewed = False
    for name, used in rejected.parts.items():
        if name in SETTINGS or name not in fields:
            continue
        fresh = found[name] if found[name] != used else await resolver.refresh(fields[name], used, asker)
        if fresh is not None:
            found[name], renewed = fresh, True
            forget(used.reveal())
    if not renewed:
        raise _refused()
    return composed(found)


def _refused() -> SecretError:
    return SecretError(
        "The provider refuses the key, and the vault has no other one.",
        hint="The operator must rotate the key behind the reference.",
        code="upstream_auth",
        status=502,
        type="upstream_error",
    )
