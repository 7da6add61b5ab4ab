"""AWS Signature Version 4 of a request without a body, by botocore, as headers: what one canary call to Bedrock needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping


def signed_headers(url: str, keys: Mapping[str, str], *, region: str, service: str) -> dict[str, str]:
    """The headers of a signed `GET`, names in small letters. Loads botocore when it is first called, so it belongs in a thread.

    `keys` has `aws_access_key_id`, `aws_secret_access_key` and maybe `aws_session_token`; `url` has no query.
    The time is this machine's: AWS allows it to be wrong by five minutes.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    logging.getLogger("botocore.auth").setLevel(logging.INFO)  # at DEBUG it writes what it signs, session tokens included
    credentials = Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"], keys.get("aws_session_token") or None)
    request = AWSRequest("GET", url)
    SigV4Auth(credentials, service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}
