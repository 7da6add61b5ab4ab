"""Take the pictures of the README: `python -m tests.dashboard.screenshots` writes dashboard/screenshots/*.png.

A seeded company, the fake gateway, the real dashboard, a real browser. Needs Chromium at /usr/bin/chromium.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline.store.reads import open_reads
from tests.dashboard.fake_gateway import running_gateway
from tests.dashboard.seed import fill, open_store
from tests.dashboard.test_browser import CHROMIUM, FLAGS, Window

FOLDER = Path(__file__).resolve().parents[2] / "dashboard" / "screenshots"
PICTURES = {
    "overview": "/?range=30d",
    "spend": "/spend?range=30d&group=key",
    "audit": "/audit?range=30d&kind=gateway:call:finish",
    "keys": "/keys",
    "references": "/references?range=30d",
    "redactions": "/redactions?range=30d",
    "telemetry": "/telemetry",
}


def main() -> int:
    """Write all pictures."""
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        engine = open_store(Path(folder) / "lockgate.db")
        fill(engine, calls=6_000, now_us=time.time_ns() // 1_000)
        url = f"sqlite:///{folder}/lockgate.db"
        with running_gateway(open_reads(url)) as gateway, sync_playwright() as playwright:
            environment = {**os.environ, "LOCKGATE_DATABASE_URL": url}
            command = [sys.executable, "-m", "dashboard.server", "--port", "0", "--gateway", gateway.url]
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                base = process.stdout.readline().split()[1]
                browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
                _take(browser, base, gateway.make_link("ada", "auditor"))
                browser.close()
                process.terminate()
    return 0


def _take(browser: Any, base: str, link: str) -> None:
    page = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Europe/Paris", color_scheme="light").new_page()
    window = Window(page, base)
    page.goto(base + "/login")
    page.screenshot(path=FOLDER / "login.png")
    window.open("/login?token=" + link)
    for name, path in PICTURES.items():
        page.set_viewport_size({"width": 1440, "height": 900})
        window.open(path)
        if name == "audit":
            grid = page.locator('[data-testid="stDataFrame"] canvas').first.bounding_box()
            page.mouse.click(grid["x"] + 16, grid["y"] + 57)
            page.wait_for_url("**event=**")
            window.settle()
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": 1440, "height": min(max(900, height), 1_500)})
        page.wait_for_timeout(1_500)
        page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
