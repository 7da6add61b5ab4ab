"""kingfisher over JSON lines: every text is a file of one scan, its findings are looked for in the text. Runs in its own environment."""

# ruff: noqa: E501
# Tables and samples are read whole.
from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

records = [json.loads(line) for line in sys.stdin]
with tempfile.TemporaryDirectory() as folder:
    for record in records:
        Path(folder, f"{record['id']}.txt").write_text(record["text"], encoding="utf-8", errors="replace", newline="")
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("kingfisher")), "scan", folder, "--format", "jsonl", "--no-validate", "--no-update-check", "--no-dedup",
            "--git-history", "none", "--no-ignore-if-contains",
        ],
        capture_output=True, text=True, check=False, env={"HOME": folder, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
found: dict[int, list[list[int]]] = {record["id"]: [] for record in records}
texts = {record["id"]: record["text"] for record in records}
for line in run.stdout.splitlines():
    finding = json.loads(line).get("finding") if line.startswith("{") else None
    if not finding or "path" not in finding:
        continue
    # A finding inside something that was unpacked has a path behind the file's.
    place = re.search(r"(?:^|[/\\])([0-9]+)\.txt", finding["path"])
    if place is None:
        continue
    number, value = int(place.group(1)), finding["snippet"]
    at = texts[number].find(value) if value else -1
    while at >= 0:
        found[number].append([at, at + len(value)])
        at = texts[number].find(value, at + len(value))
for number, spans in found.items():
    print(json.dumps({"id": number, "findings": spans}))
