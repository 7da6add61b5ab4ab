"""Objects under lock: put with their time, refused by code and never by text."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.bootstrap.proof import place_of
from pipeline.config.audit import BucketSection, CopySection
from pipeline.ledger.copies import CopyFailed, line_of
from pipeline.store.checkpoints import Stored
from tests.pipeline.ledger.calls import NOW, Clock
from tests.servers.aws import REGION, MotoServer

ROW = Stored("P1", "C1", 7, 1, 5, NOW, '{"v":1}', "d" * 64, "", "")


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


def place(url: str, bucket: str, tmp_path: Path) -> Any:
    section = CopySection(s3=BucketSection(bucket=bucket, region=REGION, endpoint_url=url, retain_days=30))
    return place_of(section, tmp_path, Clock())


def test_a_checkpoint_is_put_under_lock_until_its_time(moto: MotoServer, tmp_path: Path) -> None:
    s3 = moto.client("s3")
    s3.create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True, CreateBucketConfiguration={"LocationConstraint": REGION})
    found = place(moto.url, "evidence", tmp_path)
    found.put([ROW])
    key = "lockgate/checkpoints/C1/00000007.json"
    put = s3.get_object(Bucket="evidence", Key=key)
    assert put["Body"].read() == line_of(ROW)
    assert put["ObjectLockMode"] == "COMPLIANCE"
    assert put["ObjectLockRetainUntilDate"] == datetime.fromtimestamp(NOW / 1e6 + 30 * 86_400, UTC)


def test_a_bucket_that_refuses_is_told_by_its_code(moto: MotoServer, tmp_path: Path) -> None:
    with pytest.raises(CopyFailed) as caught:
        place(moto.url, "no-such-bucket", tmp_path).put([ROW])
    assert caught.value.why == "NoSuchBucket"


def test_an_address_where_nobody_is_is_told_by_the_class_of_the_error(tmp_path: Path) -> None:
    with pytest.raises(CopyFailed) as caught:
        place("http://127.0.0.1:9", "evidence", tmp_path).put([ROW])
    assert caught.value.why == "EndpointConnectionError"
