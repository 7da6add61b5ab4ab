"""AWS Signature Version 4 of a request without a body, as headers: what one canary call to Bedrock needs, without loading an SDK.

Source: AWS documentation, "Create a signed AWS API request" (canonical request, string to sign, signing key, authorization header).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_NO_BODY: Final = hashlib.sha256(b"").hexdigest()


def signed_headers(url: str, keys: Mapping[str, str], *, region: str, service: str, now_us: int) -> dict[str, str]:
    """The headers of a signed `GET`. `keys` has `aws_access_key_id`, `aws_secret_access_key` and maybe `aws_session_token`.

    `url` has no query; `now_us` is the time in epoch microseconds, which AWS allows to be wrong by five minutes.
    """
    parts = urlsplit(url)
    stamp = datetime.fromtimestamp(now_us / 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-date": stamp}
    if keys.get("aws_session_token"):
        headers["x-amz-security-token"] = keys["aws_session_token"]
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        (
            "GET",
            quote(parts.path or "/", safe="/-_.~"),
            "",
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            _NO_BODY,
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4" + keys["aws_secret_access_key"].encode()
    for step in (stamp[:8], region, service, "aws4_request"):
        key = _hmac(key, step)
    credential = f"{keys['aws_access_key_id']}/{scope}"
    authorization = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={_hmac(key, to_sign).hex()}"
    return {**{name: value for name, value in headers.items() if name != "host"}, "authorization": authorization}


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
