"""How a credential is read from a request: `Authorization: Bearer …`, or one of the key headers that SDKs send."""

from __future__ import annotations

from pipeline.gateway.http import Headers
from pipeline.keys.tokens import is_token

# In the order in which they are looked at. Azure's SDK sends `api-key`, Portkey's clients `x-portkey-api-key`.
_KEY_HEADERS = (b"x-api-key", b"x-portkey-api-key", b"api-key")
_LONGEST = 512


def bearer(headers: Headers) -> str | None:
    """The credential of a request, or None when it carries none."""
    authorization = headers.get(b"authorization")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and len(token) > 0 and (len(token) <= _LONGEST or is_token(token)):
            return token
    for name in _KEY_HEADERS:
        token = headers.get(name).strip()
        if 0 < len(token) <= _LONGEST:
            return token
    return None
