"""Puts objects into an S3 bucket under object lock: from then on nobody changes or deletes them before their time, not even their owner."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pipeline.vaults.aws_failures import code_of
from pipeline.vaults.aws_session import open_client
from pipeline.vaults.registry import VaultContext

Mode = Literal["COMPLIANCE", "GOVERNANCE"]
DAY_US: Final = 86_400_000_000


class LockedBucket:
    """A bucket whose objects are locked for `retain_days` from when they are put. The client is made with the first of them."""

    def __init__(self, bucket: str, mode: Mode, retain_days: int, auth_config: Mapping[str, Any], context: VaultContext) -> None:
        self._bucket, self._mode, self._days = bucket, mode, retain_days
        self._auth, self._context = auth_config, context
        self._client: Any = None

    def put(self, key: str, content: bytes, at_us: int) -> str:
        """Put an object; "" when it stands, otherwise a code of what went wrong. May be called again with the same: a new version."""
        if self._client is None:
            self._client = open_client("s3", self._auth, self._context)
        until = datetime.fromtimestamp((at_us + self._days * DAY_US) / 1e6, UTC)
        return code_of(
            lambda: self._client.put_object(
                Bucket=self._bucket, Key=key, Body=content, ContentType="application/json", ChecksumAlgorithm="SHA256",
                ObjectLockMode=self._mode, ObjectLockRetainUntilDate=until,
            )
        )  # fmt: skip
