"""A reload says which settings it could not bring into force."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.changes import AT_START, needs_restart
from pipeline.config.document import Document


@pytest.mark.parametrize(
    ("now", "waiting"),
    [
        ({}, ()),
        ({"unknown_price": "allow", "telemetry": {"capture_content": True}}, ()),
        ({"telemetry": {"semconv": "v1.36", "service_name": "door"}}, ("telemetry.semconv", "telemetry.service_name")),
        ({"telemetry": {"receiver": {"max_ratio": 9}}}, ("telemetry.receiver.max_ratio",)),
        ({"limits": {"max_in_flight": 3}, "audit": {"require": "any"}}, ("audit.require", "limits.max_in_flight")),
        ({"server": {"tls_cert": "a.pem", "tls_key": "a.key"}}, ("server.tls_cert", "server.tls_key")),
    ],
)
def test_what_waits_for_a_restart_is_named_by_its_path(now: dict[str, Any], waiting: tuple[str, ...]) -> None:
    assert needs_restart(Document(), Document.model_validate(now)) == waiting


def test_each_of_these_settings_is_one_of_the_document() -> None:
    tree = Document().model_dump(mode="json")
    for path in AT_START:
        section = tree
        for name in path.split("."):
            section = section[name]
        assert section is not None
