"""Step 7 of a request: a target's secret, resolved in the name of the asker, and read again when the provider refuses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.errors import SecretError
from pipeline.routing.attempts import OpenKey
from pipeline.routing.model import Target
from pipeline.vaults.model import Asker, Secret, SecretRef
from pipeline.vaults.resolver import Resolver


def key_opener(
    resolver: Resolver, by_target: Callable[[], Mapping[str, SecretRef]], forget: Callable[[str], None]
) -> Callable[[Asker], OpenKey]:
    """Make what opens a target's key for an asker. `forget` drops provider clients that hold a refused key."""

    def for_asker(asker: Asker) -> OpenKey:
        async def open_key(target: Target, rejected: Secret | None) -> Secret | None:
            ref = by_target().get(target.id)
            if ref is None:
                return None
            if rejected is None:
                return resolver.cached(ref, asker) or await resolver.resolve(ref, asker)
            fresh = await resolver.refresh(ref, rejected, asker)
            if fresh is None:
                raise SecretError(
                    "The provider refuses the key, and the vault has no other one.",
                    hint="The operator must rotate the key behind the reference.",
                    code="upstream_auth",
                    status=502,
                    type="upstream_error",
                )
            forget(rejected.reveal())
            return fresh

        return open_key

    return for_asker
