"""Who is measured: Lockgate in this process, and peers in environments of their own, asked over JSON lines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from redactors import Redactor, build_redactor
from tests.evaluation.cases import Answer, Case, Spans, masked

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 1_800

Contender = Callable[[Sequence[Case]], list[Answer]]

PEERS = {
    "detect-secrets": ("peer-redaction-detect-secrets", "peer_detect_secrets.py", ()),
    "kingfisher": ("peer-redaction-kingfisher", "peer_kingfisher.py", ()),
    "Presidio": ("peer-redaction-presidio", "peer_presidio.py", ("no_op",)),
    "Presidio blank": ("peer-redaction-presidio", "peer_presidio.py", ("blank",)),
    "DataFog": ("peer-redaction-datafog", "peer_datafog.py", ()),
}


def ours(redactor: Redactor | None = None) -> Contender:
    """Lockgate's engine with the default rules, or a redactor built for a suite."""
    engine = redactor or build_redactor()

    def ask(cases: Sequence[Case]) -> list[Answer]:
        return [answered(engine, one.text) for one in cases]

    return ask


def answered(engine: Redactor, text: str) -> Answer:
    """What the engine makes of one text; an error is a crash of this case, not of the run."""
    try:
        clean = engine.text(text)
    except Exception:
        return Answer("", (), crashed=True)
    return Answer(clean.value, tuple((remark.start, remark.end) for remark in clean.remarks))


def peers() -> dict[str, Contender]:
    """The peers whose environments are installed (`make evaluation` installs them)."""
    found: dict[str, Contender] = {}
    for name, (environment, script, arguments) in PEERS.items():
        home = ROOT / f".venv-{environment}"
        if (home / ".installed").exists():
            found[name] = _peer([str(home / "bin" / "python"), str(Path(__file__).with_name(script)), *arguments])
    return found


def _peer(command: Sequence[str]) -> Contender:
    def ask(cases: Sequence[Case]) -> list[Answer]:
        lines = "".join(json.dumps({"id": number, "text": one.text}) + "\n" for number, one in enumerate(cases))
        run = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=_SECONDS, check=False)
        if run.returncode:
            print(f"{command[1]} failed with {run.returncode}", file=sys.stderr)
        answers = {}
        for line in run.stdout.splitlines():
            record = json.loads(line)
            answers[record["id"]] = record["findings"]
        return [_judged(one.text, answers.get(number)) for number, one in enumerate(cases)]

    return ask


def _judged(text: str, findings: list[list[int]] | None) -> Answer:
    if findings is None:
        return Answer(text, (), crashed=True)
    found: Spans = tuple((start, end) for start, end in findings)
    return Answer(masked(text, found), found)
