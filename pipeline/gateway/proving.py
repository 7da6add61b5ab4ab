"""Who is behind a credential: a virtual key, or a token of an identity provider that the document knows."""

from __future__ import annotations

from dataclasses import replace

from pipeline.errors import KeyOutOfScope
from pipeline.gateway.model import House
from pipeline.keys.identities import Identity
from pipeline.keys.model import Caller
from pipeline.keys.tokens import BadToken, is_token


async def proven_caller(house: House, credential: str, peer: str) -> Caller:
    """Who calls models or sends telemetry: a key, or a service by its token. KeyRejected otherwise, KeyOutOfScope for a person's token."""
    if not is_token(credential):
        return house.authenticator.authenticate(credential, peer)
    identity = await proven_identity(house, credential, peer)
    if not identity.grant.service:
        hint = "Use a virtual key, or a token that is granted a service."
        raise KeyOutOfScope("This token is a person's; it administers, and calls no models.", hint=hint, code="role_not_allowed")
    return service_of(house, identity)


async def proven_identity(house: House, token: str, peer: str) -> Identity:
    """Who a token proves; a bad one is refused and counted like a bad key."""
    try:
        return await house.identities.prove(token)
    except BadToken:
        house.authenticator.refuse(peer)


def service_of(house: House, identity: Identity) -> Caller:
    """The key that a service goes by, with the token's subject."""
    return replace(house.authenticator.service(identity.grant.service), subject=identity.subject)
