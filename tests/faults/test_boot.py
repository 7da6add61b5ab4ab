"""A database that is away when the gateway starts: it waits, and serves as soon as the database is there, without a restart."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.servers.postgres import running_postgres
from tests.walks import rig

pytestmark = pytest.mark.postgres


def test_a_database_that_is_down_at_boot_is_waited_for(tmp_path: Path) -> None:
    document = {"targets": [{"id": "demo", "provider": "demo", "model": "demo"}], "models": {"demo": {"targets": ["demo"]}}}
    with running_postgres() as postgres:
        url = make_url(postgres.fresh_database())
        socket_folder = Path(str(url.query["host"]))
        away = tmp_path / "s"  # where the server's socket will appear
        later = url.update_query_dict({"host": str(away)}).render_as_string(hide_password=False)

        log = tmp_path / "house" / "gateway.log"

        def come_back() -> None:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not (log.exists() and "the database cannot be reached" in log.read_text()):
                time.sleep(0.1)
            away.symlink_to(socket_folder)

        back = threading.Thread(target=come_back)
        back.start()
        with rig.running_gateway(tmp_path / "house", document, LOCKGATE_DATABASE_URL=later) as gateway:
            key = gateway.create_key()["key"]
            body = {"model": "demo", "messages": [{"role": "user", "content": "echo here"}]}
            assert gateway.call("POST", "/v1/chat/completions", body, key=key).status == 200
            assert "the database cannot be reached" in gateway.log.read_text()
        back.join()
